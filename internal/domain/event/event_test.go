package event_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
)

func TestTopic(t *testing.T) {
	for s, problem := range map[string]string{
		"":         "topic must not be empty",
		"*":        `topic must not contain "*": patterns select topics, they are not topics`,
		"a/**":     `topic must not contain "*": patterns select topics, they are not topics`,
		"a*b":      `topic must not contain "*": patterns select topics, they are not topics`,
		"a\nb":     "topic contains the character U+000A, which is not allowed",
		"a\u202eb": "topic contains the character U+202E, which is not allowed",
		"a\xffb":   "topic is not valid UTF-8",
	} {
		got, err := event.ParseTopic(s)
		require.EqualError(t, err, problem)
		requireInvalid(t, err, "topic", s)
		assert.Equal(t, event.Topic{}, got)
	}
	assert.Equal(t, " a ", event.MustTopic(" a ").String(), "spaces are part of a topic")
	assert.Panics(t, func() { event.MustTopic("*") })
}

func TestType(t *testing.T) {
	for _, s := range []string{"", "message"} {
		got, err := event.ParseType(s)
		require.NoError(t, err)
		assert.Equal(t, event.Type{}, got)
		assert.True(t, got.IsDefault())
		assert.Equal(t, "message", got.String())
	}
	for _, s := range []string{"price", "Message", "carillon", "Carillon.reset", "x carillon.reset", "a b", "open", "*"} {
		got, err := event.ParseType(s)
		require.NoError(t, err, s)
		assert.False(t, got.IsDefault())
		assert.Equal(t, s, got.String())
	}
	for s, problem := range map[string]string{
		"carillon.":      `type must not begin with "carillon.", which is reserved for the server`,
		"carillon.reset": `type must not begin with "carillon.", which is reserved for the server`,
		" price":         "type must not begin or end with a space",
		"price ":         "type must not begin or end with a space",
		" ":              "type must not begin or end with a space",
		" carillon.x":    "type must not begin or end with a space",
		"\u00a0price":    "type must not begin or end with a space",
	} {
		got, err := event.ParseType(s)
		require.EqualError(t, err, problem)
		requireInvalid(t, err, "type", s)
		assert.Equal(t, event.Type{}, got)
	}
}

func TestKey(t *testing.T) {
	none, err := event.ParseKey("")
	require.NoError(t, err)
	assert.True(t, none.IsZero())

	some, err := event.ParseKey("order 42 ")
	require.NoError(t, err)
	assert.False(t, some.IsZero())
	assert.Equal(t, "order 42 ", some.String())
}

func TestDataHasOneKindOfLineEnd(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nb":       "a\nb",
		"a\rb":         "a\nb",
		"a\nb":         "a\nb",
		"\r\r\n\n\r":   "\n\n\n\n",
		"\n\r":         "\n\n",
		"a\r\n\r\nb\r": "a\n\nb\n",
	} {
		got, err := event.ParseData(in)
		require.NoError(t, err)
		assert.Equal(t, want, got.String(), "%q", in)
		again, err := event.ParseData(got.String())
		require.NoError(t, err)
		assert.Equal(t, got, again)
	}
}

func TestEventValidate(t *testing.T) {
	topic := event.MustTopic("a")
	good := event.Event{Topics: []event.Topic{topic}}
	require.NoError(t, good.Validate())
	for _, retry := range []time.Duration{0, time.Millisecond, 2 * time.Second, event.MaxRetry} {
		good.Retry = retry
		require.NoError(t, good.Validate())
	}
	for _, c := range []struct {
		event   event.Event
		field   string
		problem string
	}{
		{event.Event{}, "topic", "topic is missing"},
		{event.Event{Topics: []event.Topic{topic, {}}}, "topic", "topic must not be empty"},
		{event.Event{Topics: []event.Topic{topic}, Retry: -1}, "retry", "retry must be a whole number of milliseconds from 0 to 86400000"},
		{event.Event{Topics: []event.Topic{topic}, Retry: time.Microsecond}, "retry", "retry must be a whole number of milliseconds from 0 to 86400000"},
		{event.Event{Topics: []event.Topic{topic}, Retry: event.MaxRetry + time.Millisecond}, "retry", "retry must be a whole number of milliseconds from 0 to 86400000"},
	} {
		err := c.event.Validate()
		require.EqualError(t, err, c.problem)
		requireInvalid(t, err, c.field, "")
	}
}

func TestSizeGrowsWithEveryText(t *testing.T) {
	full := eventtest.MustEvent("hello", "a", "bcd")
	full.Type, full.Key = eventtest.MustType("price"), eventtest.MustKey("k1")
	sizes := []int{
		event.Event{}.Size(),
		event.Event{Topics: []event.Topic{event.MustTopic("a")}}.Size(),
		event.Event{Topics: []event.Topic{event.MustTopic("a"), event.MustTopic("bcd")}}.Size(),
		full.Size(),
	}
	assert.Positive(t, sizes[0])
	assert.GreaterOrEqual(t, sizes[1]-sizes[0], 1)
	assert.GreaterOrEqual(t, sizes[2]-sizes[1], 3)
	assert.Equal(t, len("price")+len("hello")+len("k1"), sizes[3]-sizes[2])
}

// The number is stored by logs on disk, so it must not change.
func TestFingerprint(t *testing.T) {
	base := eventtest.MustEvent("data", "a", "b")
	assert.Equal(t, uint64(0xdd2c4896af34f366), base.Fingerprint())
	keyed := base
	keyed.Key = eventtest.MustKey("k")
	assert.Equal(t, base.Fingerprint(), keyed.Fingerprint())

	seen := map[uint64]string{base.Fingerprint(): "base"}
	retry, kind := base, base
	retry.Retry = time.Second
	var err error
	kind.Type, err = event.ParseType("data")
	require.NoError(t, err)
	for name, other := range map[string]event.Event{
		"data": eventtest.MustEvent("atad", "a", "b"), "topics": eventtest.MustEvent("data", "ab"), "order": eventtest.MustEvent("data", "b", "a"),
		"fewer topics": eventtest.MustEvent("data", "a"), "more topics": eventtest.MustEvent("data", "a", "b", "c"),
		"moved": eventtest.MustEvent("", "a", "b", "data"), "retry": retry, "type": kind, "none": {},
	} {
		assert.NotContains(t, seen, other.Fingerprint(), name)
		seen[other.Fingerprint()] = name
	}
}
