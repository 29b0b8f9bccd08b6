package natslog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"carillon/internal/domain/event"
)

// Headers of a message. All are optional: a message without any is an event on its subject's topic.
const (
	headerTopic = "Carillon-Topic" // a further topic; may be repeated
	headerType  = "Carillon-Type"
	headerRetry = "Carillon-Retry" // milliseconds
	headerKey   = nats.MsgIdHdr    // JetStream stores one message with the same id within the stream's duplicate window
)

var (
	errEscape   = errors.New(`"%" is not followed by two digits of 0-9 and A-F`)
	errTooLarge = errors.New("data is larger than limits.event_bytes")
)

// encode returns the message of an event, without what is its default.
func encode(prefix string, e event.Event) *nats.Msg {
	msg := &nats.Msg{Subject: subjectOf(prefix, e.Topics[0]), Data: []byte(e.Data.String())}
	set := func(name, value string) {
		if msg.Header == nil {
			msg.Header = nats.Header{}
		}
		msg.Header[name] = append(msg.Header[name], value)
	}
	for _, topic := range e.Topics[1:] {
		set(headerTopic, escapeValue(topic.String()))
	}
	if !e.Type.IsDefault() {
		set(headerType, e.Type.String())
	}
	if e.Retry > 0 {
		set(headerRetry, strconv.FormatInt(e.Retry.Milliseconds(), 10))
	}
	if !e.Key.IsZero() {
		set(headerKey, escapeValue(e.Key.String()))
	}
	return msg
}

// escapeValue escapes "%" and a space at either end, which a reader of headers removes.
func escapeValue(s string) string {
	first, _ := utf8.DecodeRuneInString(s)
	last, size := utf8.DecodeLastRuneInString(s)
	if !strings.Contains(s, "%") && !unicode.IsSpace(first) && !unicode.IsSpace(last) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		atEnd := i == 0 || i == len(s)-size
		escape := r == '%' || atEnd && unicode.IsSpace(r)
		for _, c := range []byte(string(r)) {
			writeEscaped(&b, c, escape)
		}
	}
	return b.String()
}

// stored is a message as the stream holds it.
type stored struct {
	subject string
	header  nats.Header
	data    []byte
	offset  uint64    // sequence in the stream
	at      time.Time // when its leader stored it, by the leader's clock
}

// decode returns the event of a message, or what is wrong with the message.
func (m stored) decode(prefix string, maxData int) (event.Event, error) {
	if len(m.data) > maxData {
		return event.Event{}, errTooLarge
	}
	topic, err := topicOf(prefix, m.subject)
	if err != nil {
		return event.Event{}, err
	}
	e := event.Event{Topics: []event.Topic{topic}}
	if e.Data, err = event.ParseData(string(m.data)); err != nil {
		return event.Event{}, err
	}
	if len(m.header) > 0 {
		if err := decodeHeader(m.header, &e); err != nil {
			return event.Event{}, err
		}
	}
	return e, nil
}

func decodeHeader(header nats.Header, e *event.Event) error {
	for _, value := range header[headerTopic] {
		text, err := unescape(value)
		if err != nil {
			return fmt.Errorf("%s: %w", headerTopic, err)
		}
		topic, err := event.ParseTopic(text)
		if err != nil {
			return err
		}
		e.Topics = append(e.Topics, topic)
	}
	var err error
	if e.Type, err = event.ParseType(header.Get(headerType)); err != nil {
		return err
	}
	if text := header.Get(headerRetry); text != "" {
		ms, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return fmt.Errorf("%s: is not a number of milliseconds", headerRetry)
		}
		e.Retry = time.Duration(ms) * time.Millisecond
	}
	e.Key = keyOf(header.Get(headerKey))
	return e.Validate()
}

// keyOf returns the key of a message id. Another program may use an id that is no key; JetStream has made it unique, and
// nobody else needs it.
func keyOf(id string) event.Key {
	text, err := unescape(id)
	if err != nil {
		text = id
	}
	key, err := event.ParseKey(text)
	if err != nil {
		return event.Key{}
	}
	return key
}

// entry returns the entry of a message, with the time at which it is delivered. A message that is no event is an entry
// without topics.
func (l *Log) entry(epoch event.Epoch, m stored, at time.Time) event.Entry {
	e, err := m.decode(l.prefix, l.cfg.EventBytes)
	if err != nil {
		l.skips.note(epoch, m.offset, err)
		e = event.Event{}
	}
	return event.Entry{Position: event.Position{Epoch: epoch, Offset: m.offset}, Time: at, Event: e}
}
