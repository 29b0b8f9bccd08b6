package event

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// ReservedPrefix begins the types of control events, which only the server itself sends.
const ReservedPrefix = "carillon."

// MaxRetry is the longest reconnection time that an event may set for its readers. It prevents that a typing error
// keeps every client disconnected forever.
const MaxRetry = 24 * time.Hour

// Type is the SSE event type. The zero Type is the default, "message".
type Type struct{ name string }

// ParseType parses a type that a publisher may use; "" and "message" are the default. Its errors match [ErrInvalid].
func ParseType(s string) (Type, error) {
	if s == "" || s == "message" {
		return Type{}, nil
	}
	if err := checkName("type", s); err != nil {
		return Type{}, err
	}
	if strings.HasPrefix(s, ReservedPrefix) {
		return Type{}, invalid("type", "must not begin with %q, which is reserved for the server", ReservedPrefix)
	}
	if strings.TrimSpace(s) != s {
		return Type{}, invalid("type", "must not begin or end with a space")
	}
	return Type{name: s}, nil
}

// ControlType returns the type of events that only the server sends: [ReservedPrefix] and a name, which is a constant of
// the program.
func ControlType(name string) Type { return Type{name: ReservedPrefix + name} }

// String returns the type's name, "message" for the default.
func (t Type) String() string {
	if t.name == "" {
		return "message"
	}
	return t.name
}

// IsDefault reports whether the type is "message", which needs no event field on the wire.
func (t Type) IsDefault() bool { return t.name == "" }

// Data is an event's payload: UTF-8 text whose line ends are LF. The zero Data is the empty text.
type Data struct{ text string }

// ParseData parses a payload. CRLF and CR become LF, because a stream does not distinguish them (WHATWG HTML, 9.2.6);
// everything else is unchanged. Its errors match [ErrInvalid].
func ParseData(s string) (Data, error) {
	if !utf8.ValidString(s) {
		return Data{}, invalid("data", "is not valid UTF-8")
	}
	if strings.Contains(s, "\r") {
		s = lineEnds.Replace(s)
	}
	return Data{text: s}, nil
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// String returns the payload.
func (d Data) String() string { return d.text }

// Key makes publishing idempotent: within the log's window, an event whose key is already there is not published
// again. The zero Key means none.
type Key struct{ name string }

// ParseKey parses a key; "" means none. Its errors match [ErrInvalid].
func ParseKey(s string) (Key, error) {
	if s == "" {
		return Key{}, nil
	}
	if err := checkName("key", s); err != nil {
		return Key{}, err
	}
	return Key{name: s}, nil
}

// String returns the key as it was parsed.
func (k Key) String() string { return k.name }

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.name == "" }

// CheckRetry returns an error unless the reconnection time is a whole number of milliseconds between zero and
// [MaxRetry].
func CheckRetry(d time.Duration) error {
	if d < 0 || d > MaxRetry || d%time.Millisecond != 0 {
		return invalid("retry", "must be a whole number of milliseconds from 0 to %d", MaxRetry.Milliseconds())
	}
	return nil
}

// Event is a message of a publisher: data of a type, about one or more topics. It is immutable once published; its
// slice is shared and must not be modified.
type Event struct {
	Topics []Topic
	Type   Type
	Data   Data
	Retry  time.Duration // reconnection time for its readers; zero: unset
	Key    Key
}

// Validate checks what the field types cannot: that there is a topic, and that the retry is in range.
func (e Event) Validate() error {
	if len(e.Topics) == 0 {
		return invalid("topic", "is missing")
	}
	if slices.Contains(e.Topics, Topic{}) {
		return invalid("topic", "must not be empty")
	}
	return CheckRetry(e.Retry)
}

// Fingerprint returns a number that is the same for events with the same topics, type, retry and data, whatever their keys,
// and with near certainty another one for other events. It is the same in every process and may be stored.
func (e Event) Fingerprint() uint64 {
	b := make([]byte, 0, 128)
	b = binary.AppendUvarint(b, uint64(e.Retry.Milliseconds()))
	b = appendText(b, e.Type.name)
	b = binary.AppendUvarint(b, uint64(len(e.Topics)))
	for _, t := range e.Topics {
		b = appendText(b, t.name)
	}
	hash := sha256.New()
	_, _ = hash.Write(b)
	_, _ = io.WriteString(hash, e.Data.text)
	var sum [sha256.Size]byte
	return binary.BigEndian.Uint64(hash.Sum(sum[:0]))
}

// appendText writes a text after its length, so that texts in a row cannot be mistaken for other ones.
func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// overhead is the memory that an event takes beyond its text: string and slice headers, the entry, its place in a ring.
const overhead = 200

// Size returns approximately how many bytes of memory the event takes. Bounds on memory are counted in this unit.
func (e Event) Size() int {
	n := overhead + len(e.Type.name) + len(e.Data.text) + len(e.Key.name)
	for _, t := range e.Topics {
		n += len(t.name) + 16
	}
	return n
}
