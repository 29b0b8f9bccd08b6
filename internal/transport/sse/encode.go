package sse

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"carillon/internal/domain/event"
)

// ErrUnencodable is returned for an event that the format cannot hold. The domain's types already refuse such events; the
// encoder checks again, because a line end in a name would let a publisher write frames of its own.
var ErrUnencodable = errors.New("event cannot be encoded")

// AppendEvent writes an event as one frame of an event stream (WHATWG HTML, 9.2.5): id (omitted without a position),
// event (omitted for the default type), retry where there is one, a data line for each line of the data, and a blank
// line. An error matches [ErrUnencodable] and leaves b as it was.
func AppendEvent(b []byte, e event.Entry) ([]byte, error) {
	name, data := e.Event.Type.String(), e.Event.Data.String()
	if !plain(string(e.Position.Epoch)) || !plain(name) || !utf8.ValidString(data) {
		return b, ErrUnencodable
	}
	b = AppendID(b, e.Position)
	if !e.Event.Type.IsDefault() {
		b = append(append(append(b, "event: "...), name...), '\n')
	}
	if e.Event.Retry > 0 {
		b = AppendRetry(b, e.Event.Retry)
	}
	return append(appendData(b, data), '\n'), nil
}

// AppendID writes an id line, or nothing for the zero position. Alone before a blank line it is a bookmark: the client
// remembers the position and sees no event.
func AppendID(b []byte, at event.Position) []byte {
	if at.IsZero() {
		return b
	}
	return append(at.Append(append(b, "id: "...)), '\n')
}

// AppendRetry writes a retry line, in whole milliseconds.
func AppendRetry(b []byte, d time.Duration) []byte {
	return append(strconv.AppendInt(append(b, "retry: "...), d.Milliseconds(), 10), '\n')
}

// appendData writes a data line for each line of text, whichever of the grammar's three line ends it uses. The space
// after the colon is always written: a parser removes one, and a text may begin with one of its own.
func appendData(b []byte, text string) []byte {
	if strings.IndexByte(text, '\r') >= 0 {
		text = lineEnds.Replace(text)
	}
	for line := range strings.SplitSeq(text, "\n") {
		b = append(append(append(b, "data: "...), line...), '\n')
	}
	return b
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// plain reports whether a name has only characters that [event.Printable] allows, and so no line end.
func plain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' {
			return plainRunes(name[i:])
		}
	}
	return true
}

func plainRunes(name string) bool {
	for _, r := range name {
		if !event.Printable(r) {
			return false
		}
	}
	return utf8.ValidString(name)
}
