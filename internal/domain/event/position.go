package event

import (
	"strconv"
	"strings"
	"time"
)

// MaxPosition is the longest written position, in bytes. Browsers send a longer Last-Event-ID only after a CORS
// preflight.
const MaxPosition = 64

// Epoch identifies one lifetime of a log. A log that starts empty, or that lost its events, takes a new epoch, so that
// positions of the old lifetime are never mistaken for its own.
type Epoch string

// Position identifies the place of an event: the epoch of its log and the offset in it. It is written
// "<epoch>-<offset>" and is the SSE id. The zero Position means none.
type Position struct {
	Epoch  Epoch
	Offset uint64 // the first event of a log has offset 1
}

// ParsePosition parses a position. Its errors match [ErrInvalid] and name the field "position".
func ParsePosition(s string) (Position, error) {
	if len(s) > MaxPosition {
		return Position{}, invalid("position", "is %d bytes long, at most %d are allowed", len(s), MaxPosition)
	}
	epoch, digits, found := strings.Cut(s, "-")
	if !found || epoch == "" || !alphanumeric(epoch) {
		return Position{}, invalid("position", "is not of the form <epoch>-<offset>")
	}
	offset, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || strconv.FormatUint(offset, 10) != digits {
		return Position{}, invalid("position", "is not of the form <epoch>-<offset>")
	}
	return Position{Epoch: Epoch(epoch), Offset: offset}, nil
}

// String returns the position in the form that [ParsePosition] parses.
func (p Position) String() string { return string(p.Append(nil)) }

// Append appends the position to b and returns the result.
func (p Position) Append(b []byte) []byte {
	b = append(b, p.Epoch...)
	b = append(b, '-')
	return strconv.AppendUint(b, p.Offset, 10)
}

// IsZero reports whether there is no position.
func (p Position) IsZero() bool { return p == Position{} }

func alphanumeric(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// Entry is an event at its place in the log.
type Entry struct {
	Position Position
	// Time is when the log appended the event. It has a monotonic reading where the log is in this process, so that a
	// wall clock that jumps does not change ages.
	Time  time.Time
	Event Event
}
