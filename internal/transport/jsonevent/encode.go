// Package jsonevent is the JSON form of events, which every transport but plain SSE writes.
//
// An event is one object in one line: {"id","topics","type","time","data"}, with "retry" in milliseconds where it has a
// reconnection time. Control events have the same form, without "id" where they have no position. Everything that some
// reader may take for the end of a line is escaped, so that an event is one line for every reader.
package jsonevent

import (
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/transport/control"
)

// ErrUnencodable is returned for an event that is not text. The domain's types already refuse such events.
var ErrUnencodable = errors.New("event cannot be encoded")

// TimeFormat is the form of the field "time", which is in UTC: RFC 3339 with milliseconds.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// AppendEvent writes an event, without a line end. The topics are those of the entry: the caller removes those that the
// reader may not see. An error matches [ErrUnencodable] and leaves b as it was.
func AppendEvent(b []byte, e event.Entry) ([]byte, error) {
	name, data := e.Event.Type.String(), e.Event.Data.String()
	if !utf8.ValidString(name) || !utf8.ValidString(data) || !utf8.ValidString(string(e.Position.Epoch)) {
		return b, ErrUnencodable
	}
	return appendObject(b, e.Position, e.Event.Topics, name, e.Time, data, e.Event.Retry), nil
}

// AppendOpening writes what a stream begins with: the reset, or a bookmark with the position it starts after. Both have
// the reconnection time.
func AppendOpening(b []byte, o pubsub.Opening, retry time.Duration) []byte {
	if o.Reset != nil {
		return AppendReset(b, *o.Reset, retry)
	}
	return AppendBookmark(b, o.At, retry)
}

// AppendBookmark writes a bookmark: the client has received everything up to a position.
func AppendBookmark(b []byte, at event.Position, retry time.Duration) []byte {
	return appendObject(b, at, nil, control.TypeBookmark, time.Now(), "", retry)
}

// AppendReset writes a reset, whose id is the position from which the stream continues. A retry of zero is left out.
func AppendReset(b []byte, r pubsub.Reset, retry time.Duration) []byte {
	return appendObject(b, r.At, nil, control.TypeReset, time.Now(), control.ResetData(r), retry)
}

// AppendGoaway writes a goaway.
func AppendGoaway(b []byte, reason string, retry time.Duration) []byte {
	return appendObject(b, event.Position{}, nil, control.TypeGoaway, time.Now(), control.GoawayData(reason), retry)
}

func appendObject(b []byte, at event.Position, topics []event.Topic, name string, published time.Time, data string, retry time.Duration) []byte {
	b = append(b, '{')
	if !at.IsZero() {
		b = append(at.Append(append(b, `"id":"`...)), `",`...)
	}
	b = append(b, `"topics":[`...)
	for i, topic := range topics {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(b, topic.String())
	}
	b = AppendString(append(b, `],"type":`...), name)
	b = published.UTC().AppendFormat(append(b, `,"time":"`...), TimeFormat)
	b = AppendString(append(b, `","data":`...), data)
	if retry > 0 {
		b = strconv.AppendInt(append(b, `,"retry":`...), retry.Milliseconds(), 10)
	}
	return append(b, '}')
}

// AppendString writes a JSON string (RFC 8259, 7). Besides what must be escaped, it escapes the characters that Unicode
// counts as line ends (NEL, LS, PS): some libraries split lines at them too.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		size := escapedAt(s, i)
		if size == 0 {
			i++
			continue
		}
		b = appendEscaped(append(b, s[start:i]...), s[i:i+size])
		i += size
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

// escapedAt returns how many bytes at an index must be escaped together, 0 for none.
func escapedAt(s string, i int) int {
	switch c := s[i]; {
	case c < ' ', c == '"', c == '\\', c == 0x7f:
		return 1
	case c == 0xC2 && i+1 < len(s) && s[i+1] == 0x85:
		return 2
	case c == 0xE2 && i+2 < len(s) && s[i+1] == 0x80 && s[i+2]&^1 == 0xA8:
		return 3
	}
	return 0
}

func appendEscaped(b []byte, text string) []byte {
	switch text {
	case `"`, `\`:
		return append(b, '\\', text[0])
	case "\n":
		return append(b, `\n`...)
	case "\t":
		return append(b, `\t`...)
	case "\r":
		return append(b, `\r`...)
	}
	const hex = "0123456789abcdef"
	r, _ := utf8.DecodeRuneInString(text)
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
