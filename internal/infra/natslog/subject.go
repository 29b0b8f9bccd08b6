package natslog

import (
	"fmt"
	"strings"

	"carillon/internal/domain/event"
)

// A topic is written as a subject: "/" becomes ".", and a byte that a subject may not contain or that has a meaning in it
// becomes "%" and its two hexadecimal digits. An empty segment becomes "%". So orders/eu/42 is <prefix>.orders.eu.42.
// The mapping is one to one: a subject that no topic is written as is no topic.

// emptySegment stands for an empty segment of a topic. A subject has no empty tokens.
const emptySegment = "%"

const hexDigits = "0123456789ABCDEF"

// subjectOf returns the subject of a topic.
func subjectOf(prefix string, topic event.Topic) string {
	var b strings.Builder
	b.Grow(len(prefix) + 1 + len(topic.String()) + 8)
	b.WriteString(prefix)
	for segment := range strings.SplitSeq(topic.String(), "/") {
		b.WriteByte('.')
		if segment == "" {
			b.WriteString(emptySegment)
			continue
		}
		for i := range len(segment) {
			writeEscaped(&b, segment[i], special(segment[i]))
		}
	}
	return b.String()
}

// special reports whether a byte of a topic's segment is escaped in a subject.
func special(c byte) bool {
	return c <= ' ' || c == 0x7f || c == '.' || c == '*' || c == '>' || c == '%'
}

func writeEscaped(b *strings.Builder, c byte, escape bool) {
	if !escape {
		b.WriteByte(c)
		return
	}
	b.WriteByte('%')
	b.WriteByte(hexDigits[c>>4])
	b.WriteByte(hexDigits[c&0xf])
}

// topicOf returns the topic of a subject.
func topicOf(prefix, subject string) (event.Topic, error) {
	rest, found := strings.CutPrefix(subject, prefix+".")
	if !found {
		return event.Topic{}, fmt.Errorf("subject is not below %s", prefix)
	}
	segments := strings.Split(rest, ".")
	for i, segment := range segments {
		if segment == emptySegment {
			segments[i] = ""
			continue
		}
		text, err := unescape(segment)
		if err != nil {
			return event.Topic{}, fmt.Errorf("subject: %w", err)
		}
		segments[i] = text
	}
	topic, err := event.ParseTopic(strings.Join(segments, "/"))
	if err != nil {
		return event.Topic{}, err
	}
	if subjectOf(prefix, topic) != subject {
		return event.Topic{}, fmt.Errorf("subject: escapes a character that is written as it is")
	}
	return topic, nil
}

// unescape replaces each "%" and two hexadecimal digits by the byte they stand for.
func unescape(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errEscape
		}
		high, low := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
		if high < 0 || low < 0 {
			return "", errEscape
		}
		b = append(b, byte(high<<4|low))
		i += 2
	}
	return string(b), nil
}
