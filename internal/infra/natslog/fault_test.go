package natslog_test

import (
	"context"
	"fmt"
	"os"
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

// While the server is away everything fails fast; when it is back, following goes on without a gap.
func TestServerAwayAndBack(t *testing.T) {
	servers := natstest.Start(t)
	n := open(t, config(servers, pubsubtest.LargeLimits()))
	c := collect(t, n, nil)
	before := publish(t, n, say("one", "t"), say("two", "t"))
	c.upTo(t, 2)
	servers.Stop(0)
	require.Eventually(t, func() bool { return n.records.FilterMessage("connection to NATS lost").Len() == 1 }, waitTimeout, tick)
	for _, call := range []func(ctx context.Context) error{
		func(ctx context.Context) error { _, err := n.Append(ctx, []event.Event{say("lost", "t")}); return err },
		func(ctx context.Context) error {
			_, err := n.Append(ctx, []event.Event{keyed("lost", "a"), say("lost", "t")})
			return err
		},
		func(ctx context.Context) error { _, err := n.Look(ctx); return err },
		func(ctx context.Context) error { _, err := n.Read(ctx, before[0], 10); return err },
	} {
		start := time.Now()
		err := call(t.Context())
		require.ErrorIs(t, err, pubsub.ErrUnavailable)
		require.NotErrorIs(t, err, pubsub.ErrUnknownOutcome, "nothing was sent")
		assert.Less(t, time.Since(start), 2*time.Second)
	}
	assert.Equal(t, pubsub.Extent{Epoch: before[0].Epoch, Oldest: 1, Newest: 2}, n.Extent())
	assert.Len(t, n.records.FilterMessage("connection to NATS lost").All(), 1)
	servers.Restart(0)
	var after []event.Position
	require.Eventually(t, func() bool {
		appended, err := n.Append(t.Context(), []event.Event{keyed("three", "b")})
		after = pubsubtest.Positions(appended)
		return err == nil
	}, 10*time.Second, 50*time.Millisecond)
	assert.Equal(t, before[0].Epoch, after[0].Epoch)
	assert.Equal(t, []string{"one", "two", "three"}, texts(c.upTo(t, after[0].Offset)))
	assert.Zero(t, c.gaps)
	assert.Len(t, n.records.FilterMessage("connected to NATS again").All(), 1)
}

// A stream that is deleted is made anew by the log, and is another log then.
func TestStreamDeleted(t *testing.T) {
	servers := natstest.Start(t)
	_, js := client(t, servers)
	n := open(t, config(servers, pubsubtest.LargeLimits()))
	c := collect(t, n, nil)
	before := publish(t, n, say("one", "t"))
	c.upTo(t, 1)
	require.NoError(t, js.DeleteStream(t.Context(), n.cfg.Stream))
	_, err := n.Look(t.Context())
	require.ErrorIs(t, err, pubsub.ErrUnavailable)
	require.ErrorIs(t, <-c.ended, pubsub.ErrReplaced)
	extent, err := n.Look(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, before[0].Epoch, extent.Epoch)
	assert.Zero(t, extent.Newest)
	assert.Len(t, n.records.FilterMessage("the NATS stream is gone: creating it anew").All(), 1)
}

// A stream that is deleted and made anew ends a follower in about a second, also when it has already grown beyond what
// the follower had.
func TestStreamReplacedIsNoticed(t *testing.T) {
	servers := natstest.Start(t)
	_, js := client(t, servers)
	n := open(t, config(servers, pubsubtest.LargeLimits()))
	c := collect(t, n, nil)
	for range 3 {
		publish(t, n, say("old", "t"))
	}
	c.upTo(t, 3)
	start := time.Now()
	replace(t, js, n.cfg.Stream)
	for i := range 100 {
		_, err := js.Publish(t.Context(), prefixOf(n)+".other", fmt.Append(nil, i))
		require.NoError(t, err)
	}
	require.ErrorIs(t, <-c.ended, pubsub.ErrReplaced)
	t.Log("noticed after", time.Since(start))
	assert.Equal(t, []string{"old", "old", "old"}, texts(c.got()), "nothing of the new stream under the old epoch")
	entries, err := n.Read(t.Context(), n.Extent().At(0), 1000)
	require.NoError(t, err)
	assert.Len(t, entries, 100)
}

func prefixOf(n node) string { return "test" + n.cfg.Stream[len("TEST"):] }

// An older state of the stream, as after a power loss or from a backup, changes the epoch for all nodes.
func TestStreamRolledBack(t *testing.T) {
	for name, refill := range map[string]int{"and shorter": 0, "and longer than before": 20} {
		t.Run(name, func(t *testing.T) {
			servers := natstest.Start(t)
			n := open(t, config(servers, pubsubtest.LargeLimits()))
			other := open(t, n.cfg)
			followers := []*collector{collect(t, n, nil), collect(t, other, nil)}
			for i := range 10 {
				publish(t, n, say(fmt.Sprint(i), "t"))
			}
			servers.Stop(0)
			older := t.TempDir()
			require.NoError(t, os.CopyFS(older, os.DirFS(servers.StoreDir(0))))
			servers.Restart(0)
			var last []event.Position
			for i := range 5 {
				require.Eventually(t, func() bool {
					appended, err := n.Append(t.Context(), []event.Event{keyed(fmt.Sprint("lost ", i), fmt.Sprint(i))})
					last = pubsubtest.Positions(appended)
					return err == nil
				}, 20*time.Second, 20*time.Millisecond)
			}
			for _, f := range followers {
				f.upTo(t, last[0].Offset)
			}
			servers.Stop(0)
			require.NoError(t, os.RemoveAll(servers.StoreDir(0)))
			require.NoError(t, os.CopyFS(servers.StoreDir(0), os.DirFS(older)))
			servers.Restart(0)
			_, js := client(t, servers)
			for i := range refill {
				_, err := js.Publish(t.Context(), prefixOf(n)+".other", fmt.Append(nil, i))
				require.NoError(t, err)
			}
			for _, f := range followers {
				require.ErrorIs(t, <-f.ended, pubsub.ErrReplaced)
				assert.Len(t, f.got(), 15, "nothing else under the old epoch")
			}
			extent, err := n.Look(t.Context())
			require.NoError(t, err)
			assert.NotEqual(t, last[0].Epoch, extent.Epoch)
			assert.EqualValues(t, 10+refill, extent.Newest)
			same, err := other.Look(t.Context())
			require.NoError(t, err)
			assert.Equal(t, extent, same)
		})
	}
}

// A follower that was overtaken by the stream's limits is told what it missed.
func TestFollowerIsOvertaken(t *testing.T) {
	servers := natstest.Start(t)
	limits := pubsubtest.LargeLimits()
	limits.Events = 10
	n := open(t, config(servers, limits))
	release := make(chan struct{})
	c := collect(t, n, func() { <-release })
	const all = 5000
	for range all / 1000 {
		var events []event.Event
		for range 1000 {
			events = append(events, say("x", "t"))
		}
		publish(t, n, events...)
	}
	close(release)
	got := c.upTo(t, all)
	assert.NotZero(t, c.gaps)
	assert.EqualValues(t, all, uint64(len(got))+c.gaps, "each event came or was told")
	assert.EqualValues(t, all, got[len(got)-1].Position.Offset)
}

// When the leader of a replicated stream stops while two nodes publish, nothing that was acknowledged is lost, and no key
// is there twice.
func TestLeaderStops(t *testing.T) {
	servers := natstest.StartCluster(t)
	first := open(t, config(servers, pubsubtest.LargeLimits()))
	nodes := []node{first, open(t, first.cfg)}
	followers := []*collector{collect(t, nodes[0], nil), collect(t, nodes[1], nil)}
	var mu sync.Mutex
	acknowledged := map[event.Position]string{}
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	for p := range 4 {
		publishing.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				events := []event.Event{keyed(fmt.Sprint(p, "/", i), fmt.Sprint(p, "/", i))}
				if i%5 == 0 {
					events = append(events, keyed(fmt.Sprint(p, "+", i), fmt.Sprint(p, "+", i)))
				}
				appended, err := nodes[p%2].Append(t.Context(), events)
				if err != nil {
					assert.ErrorIs(t, err, pubsub.ErrUnavailable)
					i-- // the same keys again
					continue
				}
				mu.Lock()
				for j, a := range appended {
					acknowledged[a.Position] = events[j].Data.String()
				}
				mu.Unlock()
			}
		})
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(acknowledged) }
	for range 2 {
		more := count() + 200
		require.Eventually(t, func() bool { return count() > more }, time.Minute, 5*time.Millisecond)
		leader := servers.Leader(first.cfg.Stream)
		require.GreaterOrEqual(t, leader, 0)
		servers.Stop(leader)
		more = count() + 200
		require.Eventually(t, func() bool { return count() > more }, time.Minute, 5*time.Millisecond)
		servers.Restart(leader)
		servers.AwaitReady()
	}
	close(stop)
	publishing.Wait()
	var last []event.Position
	require.Eventually(t, func() bool {
		appended, err := first.Append(t.Context(), []event.Event{keyed("end", "end")})
		last = pubsubtest.Positions(appended)
		return err == nil
	}, time.Minute, 50*time.Millisecond)
	got := followers[0].upTo(t, last[0].Offset)
	assert.Equal(t, got, followers[1].upTo(t, last[0].Offset), "one order on both nodes")
	at, keys := map[event.Position]string{}, map[event.Key]bool{}
	for _, e := range got {
		at[e.Position] = e.Event.Data.String()
		assert.False(t, keys[e.Event.Key], "a key twice")
		keys[e.Event.Key] = true
	}
	for position, text := range acknowledged {
		assert.Equal(t, text, at[position])
	}
	assert.Zero(t, followers[0].gaps)
}

// A leader without a majority still answers. The log says that it takes no events.
func TestMajorityAway(t *testing.T) {
	servers := natstest.StartCluster(t)
	n := open(t, config(servers, pubsubtest.LargeLimits()))
	publish(t, n, say("one", "t"))
	leader := servers.Leader(n.cfg.Stream)
	servers.Stop((leader + 1) % 3)
	servers.Stop((leader + 2) % 3)
	require.Eventually(t, func() bool {
		_, err := n.Look(t.Context())
		return err != nil
	}, 30*time.Second, 100*time.Millisecond)
	_, err := n.Append(t.Context(), []event.Event{say("two", "t")})
	require.ErrorIs(t, err, pubsub.ErrUnavailable)
	servers.Restart((leader + 1) % 3)
	require.Eventually(t, func() bool {
		_, err := n.Look(t.Context())
		return err == nil
	}, time.Minute, 100*time.Millisecond)
	require.Eventually(t, func() bool {
		_, err := n.Append(t.Context(), []event.Event{keyed("three", "k")})
		return err == nil
	}, time.Minute, 100*time.Millisecond)
}
