package natslog

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"carillon/internal/domain/event"
)

var (
	CheckVersion = checkVersion
	SubjectOf    = subjectOf
	TopicOf      = topicOf
	Encode       = encode
)

func Decode(msg *nats.Msg, prefix string, maxData int) (event.Event, error) {
	return stored{subject: msg.Subject, header: msg.Header, data: msg.Data}.decode(prefix, maxData)
}

// Repeat returns what becomes of an event whose key JetStream knows, of the message at an offset, when an append had a try
// without an answer and began when the stream held everything up to last.
func (l *Log) Repeat(ctx context.Context, e event.Event, offset, last uint64) (repeated bool, err error) {
	a := appending{log: l, started: time.Now(), last: last, noAnswer: true}
	at, err := a.repeat(ctx, e, offset)
	return at.repeated, err
}

// Unopened returns a log that is not connected, for its clock.
func Unopened(logger *zap.Logger) *Log { return &Log{logger: logger} }

func (l *Log) CompareClocks(leader, asked time.Time, took time.Duration) {
	l.compareClocks(leader, asked, took)
}

// Warner returns a function that writes bounded log records, and one that lets the interval between them pass.
func Warner(logger *zap.Logger) (warn func(text string), pass func()) {
	w := &warnings{logger: logger}
	return func(text string) { w.warn(text) }, func() { w.next = time.Time{} }
}
