package pubsub

import (
	"fmt"
	"runtime"
	"slices"
)

// Internals of the engine for its tests. Call these only while the shards are idle, after [synctest.Wait]. When time in a
// bubble wakes a shard, the race detector does not learn that the read came before, hence norace.

// State returns the name of the stream's state.
//
//go:norace
func (s *Stream) State() string {
	return [...]string{"new", "lagging", "reading", "live", "parked", "closed"}[s.state]
}

// IndexSize returns the number of topics, nodes and pattern subscriptions in the indexes of all shards.
//
//go:norace
func (e *Engine) IndexSize() (topics, nodes, wild int) {
	var count func(*node) int
	count = func(n *node) int {
		sum := len(n.children)
		for _, child := range n.children {
			sum += count(child)
		}
		return sum
	}
	for _, s := range e.shards {
		topics += len(s.index.topics)
		nodes += count(&s.index.root)
		wild += s.index.wild
	}
	return topics, nodes, wild
}

// Behind reports whether a shard waits for history because it was too slow for the window.
//
//go:norace
func (e *Engine) Behind() bool {
	return slices.ContainsFunc(e.shards, func(s *shard) bool { return s.backlog.requested })
}

// SmallWalks returns how often the receiver of entries delivered them itself. Call it while nothing is published.
func (e *Engine) SmallWalks() uint64 { return e.receiver.walks }

// Memory is that of an index of the newest events, in bytes.
type Memory struct{ Counted, Taken, Left int64 }

// LatestMemory fills an index with topics, trims it, and returns what it takes in between.
func LatestMemory(log Log, topics int, shape string) Memory {
	heap := func() int64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	var l latest
	l.restart(log.Extent().Epoch, 0, 0)
	before := heap()
	for i := range topics {
		l.set(fmt.Sprintf(shape, i), uint64(i+1))
	}
	used := Memory{Counted: l.info().Bytes, Taken: heap() - before}
	l.trim(Extent{Epoch: log.Extent().Epoch, Oldest: uint64(topics + 1)})
	used.Left = l.info().Bytes + int64(l.info().Topics)
	return used
}
