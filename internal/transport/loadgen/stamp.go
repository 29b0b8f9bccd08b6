package loadgen

import (
	"bytes"
	"strconv"
	"time"
)

// A stamp is a time in nanoseconds since 1970 between two marks. All stamps are of one length, so that padding a body
// does not depend on the time.
const (
	stampMark   = '@'
	stampDigits = 19
)

func appendStamp(b []byte, t time.Time) []byte {
	b = append(b, stampMark)
	b = strconv.AppendInt(b, t.UnixNano(), 10)
	return append(b, stampMark)
}

// scanner finds stamps in a stream of bytes, however it is cut.
type scanner struct {
	value  int64
	digits int8
	inside bool
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
