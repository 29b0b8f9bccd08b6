package sse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// ErrTooLarge is returned for an event, or a line, that is larger than the decoder's limit.
var ErrTooLarge = errors.New("event is too large")

// Message is one event as a client receives it.
type Message struct {
	ID    string        // what to resume after: the id of this event, or of the last one that had any
	Type  string        // "message" if the stream names none
	Data  string        // the data lines, joined by LF
	Retry time.Duration // the reconnection time that came with this event, or zero
}

// Decoder reads an event stream as a browser does (WHATWG HTML, 9.2.6): LF, CR and CRLF end lines, also when a read
// falls between CR and LF; a byte order mark at the start is skipped; an event that the end of the stream cuts off is
// dropped, and its id with it. It holds no more than the largest event it accepts, and one line. It is not safe for
// concurrent use.
type Decoder struct {
	// Comment, unless nil, is called with each comment: servers send them as heartbeats.
	Comment func(text string)

	in      *bufio.Reader
	limit   int
	err     error // what ended the stream; every later call returns it
	begun   bool  // the first line has been read
	afterCR bool  // an LF that comes next belongs to the line before
	text    []byte

	id         string // becomes last at the next blank line
	last       string
	retry      time.Duration // of the stream
	hasRetry   bool          // whether the stream sent any
	frameRetry time.Duration // of the frame being read
	name       string
	data       []byte // every line followed by LF
}

// NewDecoder returns a decoder for a stream that continues after the event with the id lastID, or "". An event whose data, or any
// line, has more than limit bytes ends it with [ErrTooLarge].
func NewDecoder(in io.Reader, limit int, lastID string) *Decoder {
	return &Decoder{in: bufio.NewReader(in), limit: limit, id: lastID, last: lastID}
}

// LastEventID returns the id to resume after. Unlike [Message.ID] it also follows ids that came without an event.
func (d *Decoder) LastEventID() string { return d.last }

// Retry returns the reconnection time that the stream sent last, with or without an event, and whether it sent any.
func (d *Decoder) Retry() (time.Duration, bool) { return d.retry, d.hasRetry }

// Next waits for the next event. Its error is [io.EOF] at the stream's end, [ErrTooLarge], or the reader's; later calls
// return the same error.
func (d *Decoder) Next() (Message, error) {
	for {
		line, err := d.line()
		if err != nil {
			return Message{}, err
		}
		if len(line) > 0 {
			if err := d.field(line); err != nil {
				return Message{}, err
			}
			continue
		}
		if m, complete := d.dispatch(); complete {
			return m, nil
		}
	}
}

// dispatch ends a frame. Without a data line there is no event, but the id counts.
func (d *Decoder) dispatch() (Message, bool) {
	d.last = d.id
	m := Message{ID: d.id, Type: d.name, Retry: d.frameRetry}
	complete := len(d.data) > 0
	if complete {
		m.Data = decoded(d.data[:len(d.data)-1])
	}
	if m.Type == "" {
		m.Type = "message"
	}
	d.name, d.data, d.frameRetry = "", d.data[:0], 0
	return m, complete
}

// field processes a line that is not blank.
func (d *Decoder) field(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte{':'})
	value = bytes.TrimPrefix(value, []byte{' '})
	switch string(name) {
	case "":
		if d.Comment != nil {
			d.Comment(decoded(value))
		}
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			d.id = decoded(value)
		}
	case "event":
		d.name = decoded(value)
	case "data":
		if len(d.data)+len(value) > d.limit {
			return d.fail(ErrTooLarge)
		}
		d.data = append(append(d.data, value...), '\n')
	case "retry":
		// A Duration holds 43 bits of milliseconds; ParseUint accepts no sign.
		if ms, err := strconv.ParseUint(string(value), 10, 43); err == nil {
			d.frameRetry = time.Duration(ms) * time.Millisecond
			d.retry, d.hasRetry = d.frameRetry, true
		}
	}
	return nil
}

// line reads up to the next line end. The line is valid until the next call.
func (d *Decoder) line() ([]byte, error) {
	d.text = d.text[:0]
	for d.err == nil {
		chunk, err := d.chunk()
		if err != nil {
			return nil, d.fail(err)
		}
		part, used := chunk, len(chunk)
		end := lineEnd(chunk)
		if end >= 0 {
			part, used = chunk[:end], end+1
			// The line counts at once: waiting to see whether an LF follows the CR would hold an event back.
			d.afterCR = chunk[end] == '\r'
		}
		if len(d.text)+len(part) > d.limit+len("data: ") {
			return nil, d.fail(ErrTooLarge)
		}
		d.text = append(d.text, part...)
		_, _ = d.in.Discard(used) // no more than is buffered, which cannot fail
		if end >= 0 {
			return d.unmarked(d.text), nil
		}
	}
	return nil, d.err
}

// lineEnd returns the index of the first CR or LF, or -1.
func lineEnd(chunk []byte) int {
	lf := bytes.IndexByte(chunk, '\n')
	if lf < 0 {
		return bytes.IndexByte(chunk, '\r')
	}
	if cr := bytes.IndexByte(chunk[:lf], '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// chunk waits for at least one byte and returns what is buffered, without the LF of a CRLF whose CR ended a line.
func (d *Decoder) chunk() ([]byte, error) {
	for {
		if _, err := d.in.Peek(1); err != nil {
			return nil, err
		}
		chunk, err := d.in.Peek(d.in.Buffered())
		if err != nil || !d.afterCR {
			return chunk, err
		}
		d.afterCR = false
		if chunk[0] != '\n' {
			return chunk, nil
		}
		_, _ = d.in.Discard(1)
	}
}

// unmarked returns the line without the byte order mark that the first line may have.
func (d *Decoder) unmarked(line []byte) []byte {
	if d.begun {
		return line
	}
	d.begun = true
	return bytes.TrimPrefix(line, []byte("\uFEFF"))
}

func (d *Decoder) fail(err error) error {
	d.err = err
	return err
}

// decoded returns text as UTF-8, with U+FFFD for each run of bytes that are not UTF-8.
func decoded(text []byte) string { return strings.ToValidUTF8(string(text), "\uFFFD") }
