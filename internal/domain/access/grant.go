// Package access defines rights. A [Grant] is a set of patterns; it allows a topic when one of the patterns selects it.
// Grants are immutable and safe to share.
package access

import (
	"slices"

	"carillon/internal/domain/event"
)

// Grant is a set of topics, given as patterns. The zero Grant allows nothing.
type Grant struct {
	patterns []event.Pattern
	all      bool
}

// Allow returns a grant of the topics that any of the patterns selects.
func Allow(patterns ...event.Pattern) Grant {
	g := Grant{patterns: slices.Clone(patterns)}
	for _, p := range patterns {
		g.all = g.all || p == event.Everything
	}
	return g
}

// With returns a grant of what either grant allows.
func (g Grant) With(other Grant) Grant {
	if g.all || len(other.patterns) == 0 {
		return g
	}
	return Allow(slices.Concat(g.patterns, other.patterns)...)
}

// All reports whether the grant allows every topic, so that callers need not check each topic.
func (g Grant) All() bool { return g.all }

// Allows reports whether the grant covers the topic.
func (g Grant) Allows(t event.Topic) bool {
	if g.all {
		return true
	}
	for _, p := range g.patterns {
		if p.Matches(t) {
			return true
		}
	}
	return false
}

// Overlaps reports whether the grant covers some topic that the pattern selects, which means that a subscription to the
// pattern may receive events.
func (g Grant) Overlaps(p event.Pattern) bool {
	for _, q := range g.patterns {
		if q.Overlaps(p) {
			return true
		}
	}
	return false
}
