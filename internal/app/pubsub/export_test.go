package pubsub

import "slices"

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
