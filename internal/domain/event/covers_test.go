package event_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
)

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		outer, inner string
		want         bool
	}{
		{"orders/42", "orders/42", true},
		{"orders/42", "orders/43", false},
		{"orders", "orders/42", false},
		{"orders/42", "orders", false},
		{"orders/*", "orders/42", true},
		{"orders/*", "orders/*", true},
		{"orders/42", "orders/*", false},
		{"orders/*", "orders/**", false},
		{"orders/**", "orders/*", true},
		{"orders/**", "orders/42/status", true},
		{"orders/**", "orders/*/**", true},
		{"orders/*/**", "orders/**", false},
		{"orders/**", "orders", false},
		{"orders/**", "**", false},
		{"**", "orders", true},
		{"**", "**", true},
		{"*", "**", false},
	} {
		outer, inner := eventtest.MustPattern(c.outer), eventtest.MustPattern(c.inner)
		assert.Equal(t, c.want, outer.Covers(inner), "%s covers %s", c.outer, c.inner)
		assert.False(t, outer.Covers(event.Pattern{}), "nothing is not within anything")
		assert.False(t, event.Pattern{}.Covers(inner))
	}
}

// What a pattern covers, it overlaps, and each topic that the inner one selects the outer one selects too.
func TestCoversAgreesWithMatches(t *testing.T) {
	segments := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "*"}), 1, 4)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) event.Pattern {
			text := strings.Join(segments.Draw(t, name), "/")
			if rapid.Bool().Draw(t, name+" open") {
				text += "/**"
			}
			return eventtest.MustPattern(text)
		}
		outer, inner := draw("outer"), draw("inner")
		all := true
		for n := range 6 {
			for bits := range 1 << n {
				names := make([]string, n)
				for i := range names {
					names[i] = string("ab"[bits>>i&1])
				}
				topic, err := event.ParseTopic(strings.Join(names, "/"))
				if err != nil {
					continue
				}
				all = all && (!inner.Matches(topic) || outer.Matches(topic))
			}
		}
		// Two letters are fewer than all, so only one direction can be told from them for a wildcard.
		if outer.Covers(inner) {
			require.True(t, all)
			require.True(t, outer.Overlaps(inner))
		} else if !strings.Contains(inner.String(), "*") {
			require.False(t, all)
		}
	})
}
