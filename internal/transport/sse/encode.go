package sse

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"carillon/internal/domain/event"
)

// ErrUnencodable says that an event holds what a stream cannot carry. The domain's types let no such event through;
// the encoder looks again, because a line end in a name would let its publisher write frames of its own.
var ErrUnencodable = errors.New("event cannot be encoded")

// AppendEvent writes an event as one frame of an event stream (WHATWG HTML, 9.2.5): id, event (left out for the
// default type), retry where there is one, a data line for each line of the data, and a blank line.
func AppendEvent(b []byte, e event.Entry) ([]byte, error) {
	if !oneLine(string(e.Position.Epoch)) || !oneLine(e.Event.Type.String()) {
		return b, ErrUnencodable
	}
	b = AppendID(b, e.Position)
	if !e.Event.Type.IsDefault() {
		b = append(b, "event: "...)
		b = append(b, e.Event.Type.String()...)
		b = append(b, '\n')
	}
	if e.Event.Retry > 0 {
		b = AppendRetry(b, e.Event.Retry)
	}
	return append(appendData(b, e.Event.Data.String()), '\n'), nil
}

func oneLine(s string) bool { return !strings.ContainsAny(s, "\r\n\x00") }

// appendData writes a data line for each line of text, whichever of the grammar's three line ends it uses. The space
// after the colon is always there: a parser takes one away, and a text may begin with one of its own.
func appendData(b []byte, text string) []byte {
	for {
		b = append(b, "data: "...)
		end := strings.IndexAny(text, "\r\n")
		if end < 0 {
			return append(append(b, text...), '\n')
		}
		b = append(append(b, text[:end]...), '\n')
		if strings.HasPrefix(text[end:], "\r\n") {
			end++
		}
		text = text[end+1:]
	}
}

// AppendID writes an id line.
func AppendID(b []byte, at event.Position) []byte {
	b = append(b, "id: "...)
	return append(at.Append(b), '\n')
}

// AppendRetry writes a retry line, in whole milliseconds.
func AppendRetry(b []byte, d time.Duration) []byte {
	b = append(b, "retry: "...)
	return append(strconv.AppendInt(b, d.Milliseconds(), 10), '\n')
}
