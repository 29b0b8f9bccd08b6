package pubsubtest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

func nodeGuarantees() []guarantee {
	return []guarantee{
		{name: "nodes share one order", check: nodesShareOrder, needsJoin: true},
		{name: "nodes share the keys", check: nodesShareKeys, needsJoin: true},
		{name: "a node reads what another node has acknowledged", check: nodesReadAtOnce, needsJoin: true},
	}
}

// twoNodes returns the logs of two nodes on one log.
func twoNodes(t *testing.T, a Adapter) [2]pubsub.Log {
	first := a.Open(t, LargeLimits())
	return [2]pubsub.Log{first, a.Join(t, first)}
}

func nodesShareOrder(t *testing.T, a Adapter) {
	nodes := twoNodes(t, a)
	const publishers, each = 4, 50
	followers := [2]*follower{follow(t, nodes[0], 0), follow(t, nodes[1], 0)}
	var mu sync.Mutex
	acknowledged := map[event.Position]string{}
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for n := range each {
				events := numbered(n*2, n*2+n%2)
				events[0] = keyed(fmt.Sprint(p, "/", n), fmt.Sprint(p, "/", n))
				appended, err := nodes[p%2].Append(t.Context(), events)
				if !assert.NoError(t, err) {
					return
				}
				mu.Lock()
				for i, a := range appended {
					acknowledged[a.Position] = events[i].Data.String()
				}
				mu.Unlock()
			}
		})
	}
	publishing.Wait()
	last := publish(t, nodes[0], textEvent("end"))[0]
	got := [2][]event.Entry{followers[0].upTo(t, last.Offset), followers[1].upTo(t, last.Offset)}
	assert.Equal(t, got[0], got[1], "both nodes deliver the same entries in the same order")
	assert.Len(t, got[0], publishers*each*3/2+1)
	for _, e := range got[0][:len(got[0])-1] {
		assert.Equal(t, acknowledged[e.Position], e.Event.Data.String())
	}
	assert.Equal(t, got[0], read(t, nodes[1], 0), "a reader gets the same")
}

func nodesShareKeys(t *testing.T, a Adapter) {
	nodes := twoNodes(t, a)
	first := publish(t, nodes[0], keyed("first", "a"), textEvent("second"))
	batch := publish(t, nodes[1], textEvent("third"), keyed("first", "a"), keyed("fourth", "b"), keyed("fourth", "b"))
	assert.Equal(t, first[0], batch[1], "a key that another node used")
	assert.Equal(t, batch[2], batch[3])
	assert.Equal(t, batch[2], publish(t, nodes[0], keyed("fourth", "b"))[0])
	assert.Equal(t, []string{"first", "second", "third", "fourth"}, texts(read(t, nodes[0], 0)))
}

func nodesReadAtOnce(t *testing.T, a Adapter) {
	nodes := twoNodes(t, a)
	for n := range 20 {
		writer, reader := nodes[n%2], nodes[1-n%2]
		last := publish(t, writer, numbered(1, 3)...)[2]
		extent, err := reader.Look(t.Context())
		require.NoError(t, err)
		assert.Equal(t, last.Offset, extent.Newest)
		assert.Equal(t, last.Epoch, extent.Epoch)
		entries := read(t, reader, last.Offset-3)
		assert.Equal(t, []string{"1", "2", "3"}, texts(entries))
	}
}
