package cluster_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Both nodes are restarted one after the other behind HAProxy while events are published all the time. Nothing is missed,
// nobody gets a reset, and nobody is away for longer than a reconnect. CARILLON_ROLLING=1 runs it with 2,000 clients.
func TestClusterRollingRestart(t *testing.T) {
	clients := 200
	if os.Getenv("CARILLON_ROLLING") != "" {
		clients = 2000
	}
	c := start(t, "DRAIN_RATE=100", "DRAIN_WINDOW=10s", "DRAIN_TIMEOUT=30s")
	group := subscribe(t, clients, c.base, topic)
	pub := newPublishers(t, 2, 50*time.Millisecond, c.nodes[0].Addr, c.nodes[1].Addr)
	pub.progress(t, 50)
	for i := range c.nodes {
		stopping := time.Now()
		require.Zero(t, c.nodes[i].Stop(t), "the node did not stop in order")
		t.Logf("node %d stopped %.1f s after SIGTERM", i+1, time.Since(stopping).Seconds())
		c.restartNode(i)
		lasts(2 * time.Second) // until HAProxy sends clients to it
		until(t, "all clients have a stream", group.connected)
		pub.progress(t, 50)
	}
	c.finish(pub, group)
	assert.Empty(t, group.resets(), "no client needs a reset")
	var away []time.Duration
	attempts := 0
	for _, s := range group.list {
		away = append(away, s.longest)
		attempts = max(attempts, s.attempts)
	}
	slices.Sort(away)
	t.Logf("away at most: median %s, 99 of 100 %s, longest %s; at most %d reconnects of a client", away[len(away)/2], away[len(away)*99/100], away[len(away)-1], attempts)
	assert.LessOrEqual(t, attempts, 8, "a client was refused again and again")
}
