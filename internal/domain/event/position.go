package event

import (
	"strconv"
	"strings"
	"time"
)

// MaxPosition is the longest written position, in bytes. Browsers send a longer Last-Event-ID only after a CORS
// preflight.
const MaxPosition = 64

// Epoch names a log's life. A log that starts empty, or lost what it had, takes a new epoch, so that positions of the
// old one are never mistaken for its own.
type Epoch string

// Position is where an event stands: which log, and which place in it. It is written "<epoch>-<offset>" and is the
// SSE id. The zero Position is none.
type Position struct {
	Epoch  Epoch
	Offset uint64 // the first event of a log has offset 1
}

// ParsePosition reads a written position. Its errors match [ErrInvalid] and name the field "position".
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

// String writes the position as [ParsePosition] reads it.
func (p Position) String() string { return string(p.Append(nil)) }

// Append writes the position to the end of b.
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
	// Time is when the log took the event. It keeps Go's monotonic reading where the log lives in this process, so
	// that ages do not follow a wall clock that jumps.
	Time  time.Time
	Event Event
}
