package event_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
)

func TestPatternRefuses(t *testing.T) {
	for s, problem := range map[string]string{
		"":       "topic must not be empty",
		"a*":     `topic may have "*" only as a whole segment`,
		"*a/b":   `topic may have "*" only as a whole segment`,
		"a/b*c":  `topic may have "*" only as a whole segment`,
		"***":    `topic may have "*" only as a whole segment`,
		"a/****": `topic may have "*" only as a whole segment`,
		"* /a":   `topic may have "*" only as a whole segment`,
		"**/a":   `topic may have "**" only as its last segment`,
		"**/":    `topic may have "**" only as its last segment`,
		"a/**/b": `topic may have "**" only as its last segment`,
		"**/**":  `topic may have "**" only as its last segment`,
		"*/\n":   "topic contains the character U+000A, which is not allowed",
	} {
		got, err := event.ParsePattern(s)
		require.EqualError(t, err, problem, s)
		requireInvalid(t, err, "topic", s)
		assert.Equal(t, event.Pattern{}, got)
	}
}

func TestPatternMatches(t *testing.T) {
	for p, topics := range map[string]struct{ yes, no []string }{
		"orders/42": {
			yes: []string{"orders/42"},
			no:  []string{"orders", "orders/4", "orders/42/", "orders/42/x", "/orders/42", "Orders/42"},
		},
		"*": {
			yes: []string{"a", "ü", "clock", " "},
			no:  []string{"a/b", "/", "a/"},
		},
		"orders/*": {
			yes: []string{"orders/1", "orders/"},
			no:  []string{"orders", "orders/1/2", "orders/1/", "order/1", "/orders/1"},
		},
		"*/status": {
			yes: []string{"a/status", "/status"},
			no:  []string{"status", "a/b/status", "a/status/"},
		},
		"orders/*/status": {
			yes: []string{"orders/1/status", "orders//status"},
			no:  []string{"orders/status", "orders/1/2/status", "orders/1/state"},
		},
		"orders/**": {
			yes: []string{"orders/1", "orders/1/2/3", "orders/", "orders//"},
			no:  []string{"orders", "orders2/1", "x/orders/1"},
		},
		"*/**": {
			yes: []string{"a/b", "a/b/c", "/", "//"},
			no:  []string{"a"},
		},
		"**": {yes: []string{"a", "/", "a/b/c", "https://example.com/books/1"}},
		"https://example.com/*/1": {
			yes: []string{"https://example.com/books/1"},
			no:  []string{"https://example.com/books/2", "https:/example.com/books/1"},
		},
	} {
		for _, topic := range topics.yes {
			assert.True(t, eventtest.MustPattern(p).Matches(event.MustTopic(topic)), "%q matches %q", p, topic)
		}
		for _, topic := range topics.no {
			assert.False(t, eventtest.MustPattern(p).Matches(event.MustTopic(topic)), "%q does not match %q", p, topic)
		}
	}
}

func TestPatternOverlaps(t *testing.T) {
	for _, c := range []struct {
		p, q string
		want bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "*", true},
		{"a/b", "*", false},
		{"a/*", "*/b", true},
		{"a/*", "b/*", false},
		{"a/*", "a/*/c", false},
		{"a/**", "a", false},
		{"a/**", "a/b/c", true},
		{"a/**", "*/b/*", true},
		{"a/**", "b/**", false},
		{"a/**", "*", false},
		{"*/**", "**", true},
		{"**", "a", true},
		{"**", "**", true},
		{"a/b/**", "a/*", false},
		{"a/", "a/*", true},
	} {
		assert.Equal(t, c.want, eventtest.MustPattern(c.p).Overlaps(eventtest.MustPattern(c.q)), "%q and %q", c.p, c.q)
		assert.Equal(t, c.want, eventtest.MustPattern(c.q).Overlaps(eventtest.MustPattern(c.p)), "%q and %q", c.q, c.p)
	}
}

func TestPatternOfATopic(t *testing.T) {
	topic := event.MustTopic("orders/42")
	p := event.PatternOf(topic)
	assert.Equal(t, eventtest.MustPattern("orders/42"), p)
	got, plain := p.Topic()
	assert.True(t, plain)
	assert.Equal(t, topic, got)

	for _, wild := range []event.Pattern{eventtest.MustPattern("*"), eventtest.MustPattern("orders/*"), event.Everything, {}} {
		got, plain = wild.Topic()
		assert.False(t, plain)
		assert.Equal(t, event.Topic{}, got, "a topic never holds a wildcard")
	}
	assert.Equal(t, eventtest.MustPattern("**"), event.Everything)
}

func TestZeroPatternSelectsNothing(t *testing.T) {
	var zero event.Pattern
	assert.False(t, zero.Matches(event.MustTopic("a")))
	assert.False(t, zero.Matches(event.Topic{}))
	for _, p := range []event.Pattern{zero, event.Everything, eventtest.MustPattern("*"), eventtest.MustPattern("a")} {
		assert.False(t, zero.Overlaps(p))
		assert.False(t, p.Overlaps(zero))
	}
}

// smallTopics are all topics of up to four segments out of a few. Every overlap of the patterns below has a witness
// among them: what is not named in a pattern is all alike to it.
func smallTopics() (topics []event.Topic) {
	segments := []string{"", "a", "b", "c"}
	level := []string{""}
	for depth := range 4 {
		var next []string
		for _, prefix := range level {
			for _, segment := range segments {
				if depth > 0 {
					segment = prefix + "/" + segment
				}
				next = append(next, segment)
			}
		}
		for _, s := range next {
			if s != "" {
				topics = append(topics, event.MustTopic(s))
			}
		}
		level = next
	}
	return topics
}

// smallPattern draws a pattern of up to four segments that are among those of [smallTopics].
func smallPattern(t *rapid.T, label string) event.Pattern {
	segments := rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b", "*", "*"}), 1, 4).Draw(t, label)
	if rapid.Bool().Draw(t, label+" has a rest") {
		segments[len(segments)-1] = "**"
	}
	p, err := event.ParsePattern(strings.Join(segments, "/"))
	if err != nil {
		t.Skip("empty")
	}
	return p
}

// asRegexp returns a regular expression that selects what a pattern selects.
func asRegexp(p event.Pattern) *regexp.Regexp {
	segments := strings.Split(p.String(), "/")
	for i, s := range segments {
		switch s {
		case "*":
			segments[i] = "[^/]*"
		case "**":
			segments[i] = "(?s:.*)"
		default:
			segments[i] = regexp.QuoteMeta(s)
		}
	}
	return regexp.MustCompile("^(?:" + strings.Join(segments, "/") + ")$")
}

func TestMatchesAgreesWithARegexp(t *testing.T) {
	topics := smallTopics()
	rapid.Check(t, func(t *rapid.T) {
		p := smallPattern(t, "pattern")
		expr := asRegexp(p)
		for _, topic := range topics {
			if got, want := p.Matches(topic), expr.MatchString(topic.String()); got != want {
				t.Fatalf("%q matches %q: got %v, want %v", p, topic, got, want)
			}
		}
	})
}

func TestOverlapsWhereThereIsATopicOfBoth(t *testing.T) {
	topics := smallTopics()
	rapid.Check(t, func(t *rapid.T) {
		p, q := smallPattern(t, "p"), smallPattern(t, "q")
		inP, inQ := asRegexp(p), asRegexp(q)
		want := false
		for _, topic := range topics {
			want = want || inP.MatchString(topic.String()) && inQ.MatchString(topic.String())
		}
		if p.Overlaps(q) != want || q.Overlaps(p) != want {
			t.Fatalf("%q overlaps %q: got %v and %v, want %v", p, q, p.Overlaps(q), q.Overlaps(p), want)
		}
	})
}

func TestMatchingDoesNotAllocate(t *testing.T) {
	topic := event.MustTopic("orders/42/status/changed")
	for _, s := range []string{"orders/42/status/changed", "orders/*/status/*", "orders/**", "**", "*/*/*"} {
		p := eventtest.MustPattern(s)
		assert.Zero(t, testing.AllocsPerRun(100, func() { p.Matches(topic) }), s)
		assert.Zero(t, testing.AllocsPerRun(100, func() { p.Overlaps(event.Everything) }), s)
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"", "a", "a/*", "a/**", "**/a", "*/*", "a*", "//", "**", "a\nb", "\u202e", "\xed\xa0\x80"} {
		f.Add(s, "a/b")
	}
	f.Fuzz(func(t *testing.T, s, other string) {
		p, err := event.ParsePattern(s)
		topic, topicErr := event.ParseTopic(s)
		if err != nil {
			requireInvalid(t, err, "topic", s)
			require.Error(t, topicErr, "every topic is a pattern")
			return
		}
		require.Equal(t, s, p.String())
		require.LessOrEqual(t, len(s), event.MaxName)
		for _, r := range s {
			require.True(t, event.Printable(r))
		}
		for i, segment := range strings.Split(s, "/") {
			wild := strings.Contains(segment, "*")
			last := i == strings.Count(s, "/")
			require.True(t, !wild || segment == "*" || segment == "**" && last, s)
		}
		plain, isTopic := p.Topic()
		require.Equal(t, topicErr == nil, isTopic, "a pattern without wildcards is a topic, and no other is")
		require.Equal(t, topic, plain)
		require.True(t, p.Overlaps(p))
		require.True(t, p.Overlaps(event.Everything))

		o, err := event.ParseTopic(other)
		if err != nil {
			return
		}
		matches := p.Matches(o)
		require.Equal(t, asRegexp(p).MatchString(other), matches)
		require.Equal(t, matches, p.Overlaps(event.PatternOf(o)))
		require.Equal(t, matches, event.PatternOf(o).Overlaps(p))
	})
}

func ExamplePattern() {
	p, err := event.ParsePattern("orders/*/status")
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Matches(event.MustTopic("orders/42/status")))
	fmt.Println(p.Matches(event.MustTopic("orders/42")))

	_, err = event.ParsePattern("orders/4*")
	fmt.Println(err)
	// Output:
	// true
	// false
	// topic may have "*" only as a whole segment
}
