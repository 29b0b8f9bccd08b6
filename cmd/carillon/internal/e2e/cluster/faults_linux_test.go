package cluster_test

import (
	"context"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/client"
)

// rounds returns how often the faults are repeated: once, or CARILLON_CLUSTER_ROUNDS.
func rounds(t *testing.T) int {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv("CARILLON_CLUSTER_ROUNDS")); err == nil {
		return n
	}
	return 1
}

// Whatever part of a cluster fails while 200 clients listen and publishers publish through both nodes: every event that was
// acknowledged reaches every client once and in the same order, wherever it resumes. Only a log that has lost something
// leads to a reset.
func TestClusterFaults(t *testing.T) {
	c := start(t, "HISTORY_EVENTS=20000")
	group := subscribe(t, 200, c.base, topic)
	clocks := subscribe(t, 4, c.base, "clock")
	pub := newPublishers(t, 4, 20*time.Millisecond, c.nodes[0].Addr, c.nodes[1].Addr)
	pub.progress(t, 200)

	faults := []struct {
		name   string
		fault  func()
		resets []string // which resets the fault may cause
	}{
		{"a node is killed", func() {
			c.nodes[0].Kill(t)
			pub.progress(t, 200)
			c.restartNode(0)
		}, nil},
		{"the stream's leader is killed", func() {
			c.nats.Server(c.leader()).Kill()
			pub.progress(t, 200)
			c.startServers()
		}, nil},
		{"all NATS servers are killed", func() {
			for i := range 3 {
				c.nats.Server(i).Kill()
			}
			lasts(2 * time.Second)
			c.startServers()
		}, nil},
		{"the stream's leader is paused", func() {
			leader := c.nats.Server(c.leader())
			leader.Signal(syscall.SIGSTOP)
			lasts(20 * time.Second)
			leader.Signal(syscall.SIGCONT)
		}, nil},
	}
	for round := range rounds(t) {
		for _, f := range faults {
			began := time.Now()
			f.fault()
			pub.progress(t, 200)
			until(t, "all clients have a stream", group.connected)
			t.Logf("round %d: %s: %.1f s until events are acknowledged again; resets so far: %v", round+1, f.name, time.Since(began).Seconds(), group.resets())
			assert.Empty(t, group.resets(), f.name)
		}
	}
	c.finish(pub, group)
	clocks.leave()
	for i, s := range clocks.list {
		require.NoError(t, s.check(nil), "clock %d", i)
		seen := map[string]bool{}
		for _, r := range s.all {
			assert.False(t, seen[r.data], "a tick came twice: %s", r.data)
			seen[r.data] = true
		}
	}
}

// A stream that is deleted and made anew is another log: every client gets a reset, and then everything the new one keeps.
func TestClusterStreamReplaced(t *testing.T) {
	c := start(t)
	group := subscribe(t, 50, c.base, topic)
	pub := newPublishers(t, 2, 20*time.Millisecond, c.nodes[0].Addr, c.nodes[1].Addr)
	pub.progress(t, 100)
	c.jetstream(func(ctx context.Context, js jetstream.JetStream) error { return js.DeleteStream(ctx, streamName) })
	pub.progress(t, 100)
	c.finish(pub, group)
	assert.Equal(t, map[string]int{"epoch": 50}, group.resets())
}

// A node that is paused for so long that the stream's limits trim what it has not read resets its streams. Those of the other
// node notice nothing.
func TestClusterPausedNodeIsOvertaken(t *testing.T) {
	c := start(t, "HISTORY_EVENTS=1000", "WINDOW_EVENTS=500")
	paused := subscribe(t, 20, "http://"+c.nodes[0].Addr, topic)
	other := subscribe(t, 20, "http://"+c.nodes[1].Addr, topic)
	pub := newPublishers(t, 8, time.Millisecond, c.nodes[1].Addr)
	pub.progress(t, 100)
	c.nodes[0].Signal(t, syscall.SIGSTOP)
	pub.progress(t, 3000)
	c.nodes[0].Signal(t, syscall.SIGCONT)
	pub.progress(t, 100)
	pub.end()
	_, err := newClient(t, c.base).Publish(context.Background(), client.PublishRequest{Topics: []string{topic}, Data: "end"})
	require.NoError(t, err)
	for _, group := range []*subscribers{paused, other} {
		group.have(t, "end")
		group.leave()
		group.check(t, pub.acks)
	}
	assert.Len(t, paused.resets(), 1, "no other reason than expired")
	assert.True(t, paused.every(func(s *subscriber) bool {
		return slices.ContainsFunc(s.all, func(r received) bool { return r.reset == "expired" })
	}), "every client of the paused node is told")
	assert.Empty(t, other.resets())
	c.nodes[0].AwaitMessage(t, "the log trimmed events before this node received them: streams are reset; raise history.* or find what slows the node down")
}
