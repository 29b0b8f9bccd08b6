package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"carillon/internal/app/pubsub"
)

// ack is JetStream's answer to a message that was published.
type ack struct {
	Stream    string    `json:"stream"`
	Sequence  uint64    `json:"seq"` // of the last message of a batch
	Duplicate bool      `json:"duplicate"`
	Error     *apiError `json:"error"`
}

// apiError is an error of JetStream.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

// Error returns the description and the number that NATS documents.
func (e *apiError) Error() string { return fmt.Sprintf("JetStream: %s (%d)", e.Description, e.ErrCode) }

// Error codes of JetStream.
const (
	codeWrongLastID       = 10070
	codeWrongLastSequence = 10071
	codeInProcess         = 10158 // the same id is being stored
	codeIncomplete        = 10176 // a message of the batch did not arrive
	codeKnownID           = 10201 // the batch contains an id that is known
	codeTooManyBatches    = 10210
)

// publish publishes a message and waits for its acknowledgement.
func (l *Log) publish(ctx context.Context, msg *nats.Msg, limit time.Duration) (ack, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	reply, err := l.conn.RequestMsgWithContext(ctx, msg)
	if err != nil {
		return ack{}, err
	}
	var a ack
	if err := json.Unmarshal(reply.Data, &a); err != nil {
		return ack{}, fmt.Errorf("%w: the acknowledgement cannot be read: %w", errNoAnswer, err)
	}
	if a.Error != nil {
		return a, a.Error
	}
	if a.Stream == "" || a.Sequence == 0 {
		return ack{}, fmt.Errorf("%w: the answer is no acknowledgement", errNoAnswer)
	}
	return a, nil
}

// errNoAnswer means that there was no answer, or none that says what happened.
var errNoAnswer = errors.New("no acknowledgement")

// outcome is what an error of publish means.
type outcome int

const (
	outcomeUnknown outcome = iota // the messages may be stored
	outcomeNothing                // nothing was stored, and the next try may succeed
	outcomeRefused                // nothing was stored
)

func outcomeOf(err error) outcome {
	if api, ok := errors.AsType[*apiError](err); ok {
		switch api.ErrCode {
		case codeInProcess, codeIncomplete, codeTooManyBatches:
			return outcomeNothing
		}
		return outcomeRefused
	}
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrDisconnected):
		return outcomeNothing
	case errors.Is(err, nats.ErrMaxPayload), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrBadSubject), errors.Is(err, pubsub.ErrUnavailable):
		return outcomeRefused
	}
	return outcomeUnknown
}
