package pubsubtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

func keyGuarantees() []guarantee {
	return []guarantee{
		{name: "a key is published once", check: keyOnce},
		{name: "a key of another event is refused", check: keyReused},
		{name: "a key is published once by many publishers", check: keyOnceByManyPublishers},
		{name: "a key outlives its event", check: keyOutlivesEvent},
		{name: "a key can be published again after its window", check: keyWindow, needsTime: true},
	}
}

func keyOnce(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	f := follow(t, log, 0)
	one := publish(t, log, keyed("one", "k1"))
	assert.Equal(t, []pubsub.Appended{{Position: one[0], Repeated: true}}, publishKeyed(t, log, keyed("one", "k1")))

	appended := publishKeyed(t, log,
		keyed("one", "k1"), textEvent("two"), keyed("three", "k2"), keyed("three", "k2"), textEvent("two"), keyed("four", "K2"))
	batch := Positions(appended)
	assert.Equal(t, one[0], batch[0])
	assert.Equal(t, batch[2], batch[3], "also within a batch")
	for i, repeated := range []bool{true, false, false, true, false, false} {
		assert.Equal(t, repeated, appended[i].Repeated, i)
	}
	assert.Equal(t, []event.Position{batch[5], batch[2], one[0]},
		publish(t, log, keyed("four", "K2"), keyed("three", "k2"), keyed("one", "k1")))

	last := publish(t, log, textEvent("end"))
	want := []string{"one", "two", "three", "two", "four", "end"}
	assert.Equal(t, want, texts(read(t, log, 0)))
	assert.Equal(t, want, texts(f.upTo(t, last[0].Offset)), "followers do not get it again")
}

// Whatever differs but the key, the event is another one. Nothing of its batch is appended, and no key of it is kept.
func keyReused(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	first := keyed("one", "k")
	first.Retry, first.Topics = time.Second, append(first.Topics, event.MustTopic("u"))
	position := publish(t, log, first)
	newest := log.Extent().Newest

	others := map[string]func(*event.Event){
		"data":         func(e *event.Event) { e.Data = textEvent("two").Data },
		"fewer topics": func(e *event.Event) { e.Topics = e.Topics[:1] },
		"other topics": func(e *event.Event) { e.Topics = []event.Topic{event.MustTopic("t"), event.MustTopic("v")} },
		"retry":        func(e *event.Event) { e.Retry = 0 },
		"type": func(e *event.Event) {
			var err error
			e.Type, err = event.ParseType("other")
			require.NoError(t, err)
		},
	}
	for name, change := range others {
		other := first
		change(&other)
		for index, batch := range [][]event.Event{
			{other},
			{textEvent("lost"), other},
			{keyed("lost", "new key"), textEvent("lost"), other, first},
		} {
			_, err := log.Append(t.Context(), batch)
			require.ErrorIs(t, err, pubsub.ErrKeyReused, name)
			var reused *pubsub.KeyReusedError
			require.ErrorAs(t, err, &reused, name)
			assert.Equal(t, index, reused.Index, name)
		}
	}
	_, err := log.Append(t.Context(), []event.Event{keyed("a", "twice"), keyed("b", "twice")})
	require.ErrorIs(t, err, pubsub.ErrKeyReused, "also within a batch")

	assert.Equal(t, newest, log.Extent().Newest)
	assert.Equal(t, position, publish(t, log, first))
	publish(t, log, keyed("b", "twice"), keyed("kept", "new key"))
	assert.Equal(t, []string{"one", "b", "kept"}, texts(read(t, log, 0)))
}

func keyOnceByManyPublishers(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	const publishers, keys = 4, 25
	results := make([][keys]event.Position, publishers)
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			for k := range keys {
				appended, err := log.Append(t.Context(), []event.Event{keyed(fmt.Sprint(k), fmt.Sprint("key ", k)), textEvent("other")})
				assert.NoError(t, err)
				results[p][k] = appended[0].Position
			}
		})
	}
	all.Wait()
	for p := range publishers {
		assert.Equal(t, results[0], results[p], "all get the position of the first one")
	}
	assert.Len(t, read(t, log, 0), keys+publishers*keys)
}

func keyOutlivesEvent(t *testing.T, a Adapter) {
	limits := LargeLimits()
	limits.Events = 3
	log := a.Open(t, limits)
	first := publish(t, log, keyed("one", "k"))
	publish(t, log, numbered(2, 20)...)
	newest := log.Extent().Newest
	assert.Greater(t, log.Extent().Oldest, first[0].Offset)
	assert.Equal(t, first, publish(t, log, keyed("one", "k")))
	assert.Equal(t, newest, log.Extent().Newest)
}

func keyWindow(t *testing.T, a Adapter) {
	limits := LargeLimits()
	limits.KeyWindow = time.Minute
	log := a.Open(t, limits)
	first := publish(t, log, keyed("one", "k"))
	wait(30 * time.Second)
	other := publish(t, log, keyed("two", "j"))
	wait(29 * time.Second)
	assert.Equal(t, first, publish(t, log, keyed("one", "k")))
	wait(10 * time.Second)
	second := publish(t, log, keyed("three", "k"))
	assert.Greater(t, second[0].Offset, other[0].Offset, "the window begins with the first event, and a repeat does not extend it")
	assert.Equal(t, other, publish(t, log, keyed("two", "j")))
	assert.Equal(t, second, publish(t, log, keyed("three", "k")), "the second has a window of its own")
	assert.Equal(t, []string{"one", "two", "three"}, texts(read(t, log, 0)))
}
