package pubsub

import "slices"

// What tests of the engine see of its inside. Call these only while the shards are at rest, after [synctest.Wait]. Time
// that passes in a bubble wakes a shard without telling the race detector that the look was before, hence norace.

// State names where the stream is in its life.
//
//go:norace
func (s *Stream) State() string {
	return [...]string{"new", "lagging", "reading", "live", "parked", "closed"}[s.state]
}

// IndexSize is how many topics, nodes and pattern subscriptions the indexes of all shards hold.
//
//go:norace
func (p *Engine) IndexSize() (topics, nodes, wild int) {
	var count func(*node) int
	count = func(n *node) int {
		sum := len(n.children)
		for _, child := range n.children {
			sum += count(child)
		}
		return sum
	}
	for _, s := range p.shards {
		topics += len(s.index.topics)
		nodes += count(&s.index.root)
		wild += s.index.wild
	}
	return topics, nodes, wild
}

// Behind reports whether a shard waits for history that it was too slow to find in the window.
//
//go:norace
func (p *Engine) Behind() bool {
	return slices.ContainsFunc(p.shards, func(s *shard) bool { return s.behind.asked })
}
