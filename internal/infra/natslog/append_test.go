package natslog_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/infra/natslog/natstest"
)

func TestLargeBatches(t *testing.T) {
	for name, start := range map[string]func(testing.TB, ...natstest.Option) *natstest.Servers{"one": natstest.Start, "three": natstest.StartCluster} {
		t.Run(name, func(t *testing.T) {
			n := open(t, config(start(t), pubsubtest.LargeLimits()))
			var events []event.Event
			for i := range 1000 {
				events = append(events, say(fmt.Sprint(i), "t"))
			}
			positions := publish(t, n, events...)
			assert.EqualValues(t, 1, positions[0].Offset)
			assert.EqualValues(t, 1000, positions[999].Offset)
			_, err := n.Append(t.Context(), append(events, say("one more", "t")))
			require.EqualError(t, err, "cannot append 1001 events together, at most 1000")

			big := make([]event.Event, 8)
			for i := range big {
				big[i] = say(strings.Repeat("x", 1<<20), "t")
			}
			assert.EqualValues(t, 1008, publish(t, n, big...)[7].Offset)
			assert.EqualValues(t, 1008, n.Extent().Newest)
		})
	}
}

// JetStream refuses a whole batch for one known key. The answer is as with every other log: the first positions of those
// that are known, and the rest published together, also while others publish the same keys.
func TestBatchesWithKnownKeys(t *testing.T) {
	servers := natstest.StartCluster(t)
	first := open(t, config(servers, pubsubtest.LargeLimits()))
	nodes := []node{first, open(t, first.cfg)}
	const rounds, size = 20, 20
	results := make([][][]event.Position, len(nodes)*2)
	var all sync.WaitGroup
	for p := range results {
		all.Go(func() {
			for round := range rounds {
				var events []event.Event
				for k := range size { // half of the keys are shared, in an order of each publisher
					key := fmt.Sprint(round, "/", (k*(p+1)+p)%(size+1))
					events = append(events, keyed("of "+key, key))
				}
				events = append(events, say(fmt.Sprint("unkeyed ", p), "t"))
				appended, err := nodes[p%2].Append(t.Context(), events)
				if !assert.NoError(t, err) {
					return
				}
				results[p] = append(results[p], pubsubtest.Positions(appended))
			}
		})
	}
	all.Wait()
	entries, err := first.Read(t.Context(), first.Extent().At(0), 1<<20)
	require.NoError(t, err)
	at := map[event.Position]event.Event{}
	keys := map[event.Key]event.Position{}
	for _, e := range entries {
		at[e.Position] = e.Event
		if !e.Event.Key.IsZero() {
			assert.NotContains(t, keys, e.Event.Key, "a key is stored once")
			keys[e.Event.Key] = e.Position
		}
	}
	for p, rows := range results {
		require.Len(t, rows, rounds)
		for round, positions := range rows {
			for k, position := range positions[:size] {
				assert.Equal(t, fmt.Sprint(round, "/", (k*(p+1)+p)%(size+1)), at[position].Key.String())
			}
			assert.Equal(t, fmt.Sprint("unkeyed ", p), at[positions[size]].Data.String())
		}
	}
	assert.Len(t, entries, len(keys)+rounds*len(results))
}

// An acknowledgement that is lost: an event with a key is tried again and is there once; without one, the outcome is
// unknown. So it is for a batch.
func TestLostAcknowledgements(t *testing.T) {
	servers := natstest.Start(t)
	w := newWire(t, strings.TrimPrefix(servers.URLs()[0], "nats://"))
	cfg := config(servers, pubsubtest.LargeLimits())
	cfg.URL = []string{"nats://" + w.listener.Addr().String()}
	n := open(t, cfg)
	during := func(events ...event.Event) ([]pubsub.Appended, error) {
		w.hold()
		released := make(chan struct{})
		time.AfterFunc(1200*time.Millisecond, func() { w.release(); close(released) })
		defer func() { <-released }()
		return n.Append(t.Context(), events)
	}
	at := func(offset uint64) pubsub.Appended { return pubsub.Appended{Position: n.Extent().At(offset)} }
	appended, err := during(keyed("one", "k1"))
	require.NoError(t, err)
	assert.Equal(t, []pubsub.Appended{at(1)}, appended, "it is no repeat of another publish")
	appended, err = during(keyed("two", "k2"), keyed("three", "k3"))
	require.NoError(t, err)
	assert.Equal(t, []pubsub.Appended{at(2), at(3)}, appended)
	for _, events := range [][]event.Event{{say("four", "t")}, {keyed("five", "k5"), say("six", "t")}} {
		_, err = during(events...)
		require.ErrorIs(t, err, pubsub.ErrUnknownOutcome)
		require.ErrorIs(t, err, pubsub.ErrUnavailable)
	}
	w.hold()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = n.Append(ctx, []event.Event{say("seven", "t")})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	w.release()
	require.Eventually(t, func() bool {
		extent, err := n.Look(t.Context())
		return err == nil && extent.Newest == 7
	}, 10*time.Second, 10*time.Millisecond)
	entries, err := n.Read(t.Context(), n.Extent().At(0), 100)
	require.NoError(t, err)
	assert.Equal(t, []string{"one", "two", "three", "four", "five", "six", "seven"}, texts(entries))
}

// A try without an answer may have stored the event; then it is no repeat. But what is stored under its key may also be
// another publisher's event.
func TestKeyAfterTryWithoutAnswer(t *testing.T) {
	n := open(t, config(natstest.Start(t), pubsubtest.LargeLimits()))
	publish(t, n, say("before", "t"), keyed("one", "k"))
	repeated, err := n.Repeat(t.Context(), keyed("one", "k"), 2, 1)
	require.NoError(t, err)
	assert.False(t, repeated, "stored by this append")
	repeated, err = n.Repeat(t.Context(), keyed("one", "k"), 2, 2)
	require.NoError(t, err)
	assert.True(t, repeated, "stored before it")
	_, err = n.Repeat(t.Context(), keyed("other", "k"), 2, 1)
	require.ErrorIs(t, err, pubsub.ErrKeyReused)
}
