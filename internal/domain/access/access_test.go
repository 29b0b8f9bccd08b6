package access_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
)

func TestGrant(t *testing.T) {
	for _, c := range []struct {
		name             string
		patterns         []string
		all              bool
		allows, refuses  []string // topics
		overlaps, misses []string // patterns
	}{
		{
			name:    "nothing",
			refuses: []string{"a", "clock"},
			misses:  []string{"a", "*", "**"},
		},
		{
			name: "one topic", patterns: []string{"clock"},
			allows: []string{"clock"}, refuses: []string{"clock/x", "Clock", "cloc"},
			overlaps: []string{"clock", "*", "**"}, misses: []string{"clocks", "clock/*", "clock/**"},
		},
		{
			name: "several", patterns: []string{"orders/*", "news/**"},
			allows:   []string{"orders/1", "news/a/b"},
			refuses:  []string{"orders", "orders/1/2", "news"},
			overlaps: []string{"orders/7", "*/7", "news/*/b", "**"},
			misses:   []string{"news", "orders/1/2", "stock/*", "stock/**"},
		},
		{
			name: "everything", patterns: []string{"clock", "**", "a"}, all: true,
			allows:   []string{"clock", "a/b/c", "/"},
			overlaps: []string{"a", "*", "a/**", "**"},
		},
		{
			name: "what looks like everything and is not", patterns: []string{"*", "*/**"},
			allows: []string{"a", "a/b"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := access.Allow(eventtest.MustPatterns(c.patterns...)...)
			assert.Equal(t, c.all, g.All())
			for _, s := range c.allows {
				assert.True(t, g.Allows(event.MustTopic(s)), s)
			}
			for _, s := range c.refuses {
				assert.False(t, g.Allows(event.MustTopic(s)), s)
			}
			for _, p := range eventtest.MustPatterns(c.overlaps...) {
				assert.True(t, g.Overlaps(p), p)
			}
			for _, p := range eventtest.MustPatterns(c.misses...) {
				assert.False(t, g.Overlaps(p), p)
			}
		})
	}
}

func TestZeroGrantAllowsNothing(t *testing.T) {
	var zero access.Grant
	assert.False(t, zero.All())
	assert.False(t, zero.Allows(event.MustTopic("a")))
	assert.False(t, zero.Overlaps(event.Everything))
	assert.Equal(t, zero, access.Allow())
	assert.False(t, access.Allow(event.Pattern{}).Overlaps(event.Everything), "nor does a grant of the zero pattern")

	var rights access.Rights
	assert.False(t, rights.Subscribe.Allows(event.MustTopic("a")))
	assert.False(t, rights.Publish.Allows(event.MustTopic("a")))
}

func TestGrantDoesNotChangeAfterwards(t *testing.T) {
	ps := eventtest.MustPatterns("a")
	g := access.Allow(ps...)
	ps[0] = event.Everything
	assert.False(t, g.Allows(event.MustTopic("b")))
}

// A stream is refused at its start when its grants and its patterns do not overlap: then no event could ever pass.
func TestWhatIsAllowedAndSelectedOverlaps(t *testing.T) {
	texts := rapid.SampledFrom([]string{"a", "b", "a/b", "a/*", "*/b", "a/**", "*", "*/**", "**", "a/b/c", "a//b"})
	topics := rapid.SampledFrom([]string{"a", "b", "a/b", "a/c", "c/b", "a/b/c", "a/", "/", "a//b"})
	rapid.Check(t, func(rt *rapid.T) {
		g := access.Allow(eventtest.MustPatterns(rapid.SliceOfN(texts, 0, 3).Draw(rt, "grant")...)...)
		p := eventtest.MustPatterns(texts.Draw(rt, "pattern"))[0]
		topic := event.MustTopic(topics.Draw(rt, "topic"))
		if g.Allows(topic) && p.Matches(topic) && !g.Overlaps(p) {
			rt.Fatalf("%q passes and yet the grant misses %q", topic, p)
		}
		if g.All() && !g.Allows(topic) {
			rt.Fatalf("a grant of everything refuses %q", topic)
		}
	})
}

func TestAskingDoesNotAllocate(t *testing.T) {
	g := access.Allow(eventtest.MustPatterns("orders/*", "news/**")...)
	topic := event.MustTopic("stock/acme")
	assert.Zero(t, testing.AllocsPerRun(100, func() { g.Allows(topic) }))
}

func TestReduced(t *testing.T) {
	for _, c := range []struct {
		before, now []string
		pattern     string
		want        bool
	}{
		{[]string{"**"}, []string{"**"}, "a/**", false},
		{[]string{"**"}, []string{"a/**"}, "a/1", false},
		{[]string{"**"}, []string{"a/**"}, "a/**", false},
		{[]string{"**"}, []string{"a/*"}, "a/**", true},
		{[]string{"**"}, []string{"a/**"}, "**", true},
		{[]string{"**"}, nil, "a", true},
		{[]string{"a", "b"}, []string{"b"}, "b", false},
		{[]string{"a", "b"}, []string{"b"}, "*", true},
		{[]string{"a"}, []string{"*"}, "**", false},
		{[]string{"a"}, []string{"b"}, "b", false},
		{nil, nil, "**", false},
	} {
		before, now := access.Allow(eventtest.MustPatterns(c.before...)...), access.Allow(eventtest.MustPatterns(c.now...)...)
		assert.Equal(t, c.want, before.Reduced(now, eventtest.MustPattern(c.pattern)), "%v", c)
	}
}

// Whatever is not reduced loses no topic.
func TestReducedMissesNothing(t *testing.T) {
	patterns := []string{"a", "b", "a/b", "*", "*/*", "a/*", "*/b", "a/**", "**"}
	topics := []string{"a", "b", "c", "a/b", "a/c", "b/b", "a/b/c"}
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string) access.Grant {
			return access.Allow(eventtest.MustPatterns(rapid.SliceOfN(rapid.SampledFrom(patterns), 0, 3).Draw(rt, name)...)...)
		}
		before, now := draw("before"), draw("now")
		pattern := eventtest.MustPattern(rapid.SampledFrom(patterns).Draw(rt, "pattern"))
		if before.Reduced(now, pattern) {
			return
		}
		for _, text := range topics {
			topic := event.MustTopic(text)
			if pattern.Matches(topic) && before.Allows(topic) && !now.Allows(topic) {
				rt.Fatalf("%s was lost", text)
			}
		}
	})
}
