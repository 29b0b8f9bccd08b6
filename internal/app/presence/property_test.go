package presence_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"carillon/internal/app/presence"
	"carillon/internal/app/pubsub"
)

// crowd is the model: streams with their topics, and who is in which room.
type crowd struct {
	t    testing.TB
	rand *rand.Rand
	all  []*visitor
}

// visitor is a stream that is open.
type visitor struct {
	node   *node
	stream *pubsub.Stream
	client *client
	kind   presence.Kind
	id     string
	topics []string
}

var rooms = []string{"r0", "r1", "r2"}

// open opens a stream with random topics.
func (c *crowd) open(n *node) {
	v := &visitor{node: n, kind: presence.Kind(c.rand.IntN(3))}
	if c.rand.IntN(4) > 0 {
		v.id = fmt.Sprint("u", c.rand.IntN(8))
	}
	for _, i := range c.rand.Perm(len(rooms))[:1+c.rand.IntN(len(rooms))] {
		v.topics = append(v.topics, rooms[i])
	}
	sub := n.subscription(v.id, v.kind, v.topics...)
	if v.kind == presence.None && c.rand.IntN(3) == 0 {
		sub = n.subscription(v.id, v.kind, append(slices.Clone(v.topics), "*", "r/**")...)
	}
	v.stream, v.client = n.attach(sub)
	c.all = append(c.all, v)
}

// end ends a stream in one of the ways in which streams end.
func (c *crowd) end(i int) {
	v := c.all[i]
	c.all = slices.Delete(c.all, i, i+1)
	switch c.rand.IntN(4) {
	case 0:
		v.client.set(false, true)
		v.stream.Ready() // the next write fails
	case 1:
		v.client.set(true, false)
		v.stream.End(pubsub.EndDead)
	default:
		v.stream.End(pubsub.EndGone)
		v.stream.End(pubsub.EndFailed)
	}
}

// step does one random thing.
func (c *crowd) step(n *node) {
	switch c.rand.IntN(10) {
	case 0, 1, 2, 3:
		c.open(n)
	case 4, 5, 6:
		if len(c.all) > 0 {
			c.end(c.rand.IntN(len(c.all)))
		}
	case 7: // refused after it was opened: the connection broke before the response began
		_, err := n.engine.Open(context.Background(), n.subscription("refused", presence.Members, rooms...))
		require.NoError(c.t, err)
	case 8:
		if len(c.all) > 0 { // a client that reads slowly
			v := c.all[c.rand.IntN(len(c.all))]
			v.client.set(c.rand.IntN(2) == 0, false)
			v.stream.Ready()
		}
	case 9:
		time.Sleep(time.Duration(c.rand.IntN(1700)) * time.Millisecond)
	}
}

// truth returns who is in a room.
func (c *crowd) truth(room string) (n counted, ids []string) {
	ids = []string{}
	for _, v := range c.all {
		if !slices.Contains(v.topics, room) {
			continue
		}
		n.Streams++
		if v.id != "" && !slices.Contains(ids, v.id) {
			ids = append(ids, v.id)
		}
	}
	slices.Sort(ids)
	n.Members = len(ids)
	return n, ids
}

// check compares what every client knows with the truth.
func (c *crowd) check(maxMembers int, when string) {
	c.t.Helper()
	for i, v := range c.all {
		require.Empty(c.t, v.client.Problems(), when)
		if v.client.full {
			v.client.set(false, false)
			v.stream.Ready()
			synctest.Wait()
		}
		for _, room := range v.topics {
			n, ids := c.truth(room)
			switch {
			case v.kind == presence.Count:
				require.Equal(c.t, n, v.client.Count(room), "%s: stream %d, %s", when, i, room)
			case v.kind == presence.Members && len(ids) <= maxMembers:
				require.Equal(c.t, ids, v.client.IDs(room), "%s: stream %d, %s", when, i, room)
			case v.kind == presence.Members:
				require.Equal(c.t, n, v.client.Count(room), "%s: stream %d, %s", when, i, room)
			}
		}
	}
}

// Whatever streams do, what their clients know equals the truth within two intervals, and nothing is left in the end.
func TestPresenceEqualsTheTruth(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config()
				cfg.Grace = 0
				n := start(t, cfg, nil)
				time.Sleep(time.Duration(seed) * 7 * time.Millisecond)
				c := &crowd{t: t, rand: rand.New(rand.NewPCG(seed, 11))}
				for round := range 12 {
					for range c.rand.IntN(25) {
						c.step(n)
					}
					time.Sleep(2 * interval)
					synctest.Wait()
					c.check(cfg.MaxMembers, fmt.Sprint("round ", round))
					want, _ := c.truth("r0")
					require.JSONEq(t, fmt.Sprintf(`[{"topic":"r0","streams":%d,"members":%d}]`, want.Streams, want.Members), n.read(presence.Count, "r0"))
				}
				_, last := n.open("", presence.Count, rooms...)
				if seed%2 == 0 {
					for len(c.all) > 0 {
						c.end(c.rand.IntN(len(c.all)))
					}
					time.Sleep(2 * interval)
					synctest.Wait()
					for _, room := range rooms {
						require.Equal(t, counted{Streams: 1}, last.Count(room), room)
					}
				}
				require.NoError(t, n.engine.Drain(context.Background(), 3*time.Second))
				_, err := n.engine.Open(context.Background(), n.subscription("u1", presence.Count, "r0"))
				require.ErrorIs(t, err, pubsub.ErrDraining)
				require.JSONEq(t, `[{"topic":"r0","streams":0,"members":0}]`, n.read(presence.Count, "r0"))
				time.Sleep(2 * interval)
				require.Zero(t, n.presence.Rooms())
				require.Zero(t, n.presence.Stats())
			})
		})
	}
}
