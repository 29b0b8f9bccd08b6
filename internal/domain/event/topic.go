package event

import "strings"

// Topic is what an event is about: 1 to [MaxName] bytes of UTF-8 without control or format characters and without
// "*". Segments are split by "/"; empty segments are allowed, so that a URL is a topic. Comparable; the zero Topic is
// no topic and is never produced by [ParseTopic].
type Topic struct{ name string }

// ParseTopic parses a topic. Its errors match [ErrInvalid] and name the field "topic".
func ParseTopic(s string) (Topic, error) {
	if err := checkName("topic", s); err != nil {
		return Topic{}, err
	}
	if strings.Contains(s, "*") {
		return Topic{}, invalid("topic", "must not contain %q: patterns select topics, they are not topics", "*")
	}
	return Topic{name: s}, nil
}

// MustTopic is like [ParseTopic] for topics that are constants of the program. It panics if the topic is invalid.
func MustTopic(s string) Topic {
	t, err := ParseTopic(s)
	if err != nil {
		panic(err)
	}
	return t
}

// String returns the topic as it was parsed.
func (t Topic) String() string { return t.name }
