package loadgen

import (
	"bytes"
	"strconv"
	"time"
)

// A stamp is a time in nanoseconds since 1970 between two marks. All stamps have the same length, so that the size
// of a body does not depend on the time.
const (
	stampPlaceholder = "{stamp}" // is replaced by a stamp in a body
	stampMark        = '@'
	stampDigits      = 19
)

func appendStamp(b []byte, t time.Time) []byte {
	b = append(b, stampMark)
	b = strconv.AppendInt(b, t.UnixNano(), 10)
	return append(b, stampMark)
}

// scanner finds stamps in the bytes of a response, even if they are split: by reads, or by the ends of HTTP chunks, which
// may be anywhere (RFC 9112, 7.1).
type scanner struct {
	value  int64
	digits int8
	inside bool
	gap    gap
}

// gap is the position of the scanner between two chunks, within a stamp.
type gap uint8

const (
	noGap   gap = iota
	gapEnd      // after the CR that ends a chunk
	gapSize     // in the size of the next one
	gapLast     // after the CR behind that
)

// cross consumes a byte between two chunks. It returns false for a byte that is not valid there.
func (s *scanner) cross(c byte) bool {
	hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
	switch {
	case s.gap == gapEnd && c == '\n':
		s.gap = gapSize
	case s.gap == gapSize && c == '\r':
		s.gap = gapLast
	case s.gap == gapLast && c == '\n':
		s.gap = noGap
	default:
		return s.gap == gapSize && hex
	}
	return true
}

// feed calls found with each stamp that ends in b.
func (s *scanner) feed(b []byte, found func(nanos int64)) {
	for len(b) > 0 {
		if !s.inside {
			at := bytes.IndexByte(b, stampMark)
			if at < 0 {
				return
			}
			b = b[at+1:]
			*s = scanner{inside: true}
			continue
		}
		c := b[0]
		switch {
		case s.gap != noGap:
			if !s.cross(c) {
				s.inside, s.gap = false, noGap
			}
		case c == '\r':
			s.gap = gapEnd
		case c >= '0' && c <= '9' && s.digits < stampDigits:
			s.value = s.value*10 + int64(c-'0')
			s.digits++
		case c == stampMark && s.digits < stampDigits:
			*s = scanner{inside: true} // that was another mark; a stamp may begin here
		default:
			if c == stampMark {
				found(s.value)
			}
			s.inside = false
		}
		b = b[1:]
	}
}
