package event

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest topic, pattern, type or key, in bytes. It keeps a whole name inside one log field
// and a frame's head inside one packet.
const MaxName = 255

// ErrInvalid matches, with [errors.Is], the error of every value that is refused; the [*InvalidError] names the field.
var ErrInvalid = errors.New("invalid value")

// InvalidError is the error of a field that was refused. Its text is meant for the sender.
type InvalidError struct {
	Field   string // "topic", "type", "data", "retry", "key", "position"
	Problem string // what is wrong, without the value: values may be secret or hostile
}

// Error returns the field and the problem.
func (e *InvalidError) Error() string { return e.Field + " " + e.Problem }

// Is makes every InvalidError match [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

func invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// checkName checks the rules that topics, patterns, types and keys share.
func checkName(field, s string) error {
	switch {
	case s == "":
		return invalid(field, "must not be empty")
	case len(s) > MaxName:
		return invalid(field, "is %d bytes long, at most %d are allowed", len(s), MaxName)
	case !utf8.ValidString(s):
		return invalid(field, "is not valid UTF-8")
	}
	for _, r := range s {
		if !Printable(r) {
			return invalid(field, "contains the character %U, which is not allowed", r)
		}
	}
	return nil
}

// Printable reports whether a name may contain the rune. Control characters would end a line of the stream; format
// characters (bidirectional overrides, zero-width joiners, byte order marks) and line separators make two names that
// look alike differ.
func Printable(r rune) bool {
	return !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
