package event

import "strings"

// Wildcard segments of a [Pattern].
const (
	AnySegment = "*"  // exactly one segment
	AnyRest    = "**" // one or more segments, only as the last
)

// Pattern selects topics: a topic itself, or one in which "*" stands for exactly one segment and a final "**" for the
// rest, which is at least one segment. Comparable; the zero Pattern selects nothing.
type Pattern struct {
	text string
	wild bool
}

// Everything is the pattern that selects every topic.
var Everything = Pattern{text: AnyRest, wild: true}

// ParsePattern parses a topic or a pattern. Its errors match [ErrInvalid] and name the field "topic", because that is
// the parameter that contains patterns.
func ParsePattern(s string) (Pattern, error) {
	if err := checkName("topic", s); err != nil {
		return Pattern{}, err
	}
	wild := false
	for rest, more := s, true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		switch {
		case segment == AnySegment:
			wild = true
		case segment == AnyRest:
			if more {
				return Pattern{}, invalid("topic", "may have %q only as its last segment", AnyRest)
			}
			wild = true
		case strings.Contains(segment, "*"):
			return Pattern{}, invalid("topic", "may have %q only as a whole segment", "*")
		}
	}
	return Pattern{text: s, wild: wild}, nil
}

// PatternOf returns the pattern that selects one topic.
func PatternOf(t Topic) Pattern { return Pattern{text: t.name} }

// String returns the pattern as it was parsed.
func (p Pattern) String() string { return p.text }

// Topic returns the topic that a pattern without wildcards selects.
func (p Pattern) Topic() (Topic, bool) {
	if p.wild || p.text == "" {
		return Topic{}, false
	}
	return Topic{name: p.text}, true
}

// Matches reports whether the pattern selects the topic. It does not allocate.
func (p Pattern) Matches(t Topic) bool {
	if !p.wild {
		return p.text == t.name && p.text != ""
	}
	pattern, topic := p.text, t.name
	for {
		want, patternRest, patternMore := strings.Cut(pattern, "/")
		if want == AnyRest {
			return true
		}
		have, topicRest, topicMore := strings.Cut(topic, "/")
		if want != AnySegment && want != have {
			return false
		}
		if !patternMore || !topicMore {
			return patternMore == topicMore
		}
		pattern, topic = patternRest, topicRest
	}
}

// Overlaps reports whether some topic, of whatever length, is selected by both patterns.
func (p Pattern) Overlaps(q Pattern) bool {
	if p.text == "" || q.text == "" {
		return false
	}
	a, b := p.text, q.text
	for {
		x, aRest, aMore := strings.Cut(a, "/")
		y, bRest, bMore := strings.Cut(b, "/")
		if x == AnyRest || y == AnyRest {
			return true
		}
		if x != AnySegment && y != AnySegment && x != y {
			return false
		}
		if !aMore || !bMore {
			return aMore == bMore
		}
		a, b = aRest, bRest
	}
}

// Covers reports whether every topic that q selects is selected by p too.
func (p Pattern) Covers(q Pattern) bool {
	if p.text == "" || q.text == "" {
		return false
	}
	a, b := p.text, q.text
	for {
		x, aRest, aMore := strings.Cut(a, "/")
		y, bRest, bMore := strings.Cut(b, "/")
		if x == AnyRest {
			return true
		}
		if y == AnyRest || x != AnySegment && x != y {
			return false
		}
		if !aMore || !bMore {
			return aMore == bMore
		}
		a, b = aRest, bRest
	}
}
