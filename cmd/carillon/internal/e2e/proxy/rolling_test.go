package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
	"carillon/internal/client"
	"carillon/internal/domain/event"
)

// scale is the size of a rolling restart.
type scale struct {
	clients  int
	pace     time.Duration // between events
	settings []string
}

// chosenScale returns a small scale, or with CARILLON_ROLLING=1 a realistic one, with the times of configs/default.yaml.
func chosenScale() scale {
	if os.Getenv("CARILLON_ROLLING") != "" {
		return scale{2000, 250 * time.Millisecond, []string{"DRAIN_RATE=0", "DRAIN_WINDOW=20s", "DRAIN_TIMEOUT=30s"}}
	}
	return scale{100, 50 * time.Millisecond, []string{"DRAIN_RATE=0", "DRAIN_WINDOW=3s", "STREAM_RETRY=200ms"}}
}

// Two instances behind nginx are restarted one after the other, while events are published to both and clients reconnect
// through nginx, resuming by id. The instances share no log, so a client that changes to the other instance misses what
// that had published before, which a reset tells it. Nothing else may be missing, and every client must reconnect.
func TestRollingRestart(t *testing.T) {
	needs(t, "nginx")
	size := chosenScale()
	nodes := []*servertest.Process{startNode(t, size.settings...), startNode(t, size.settings...)}
	base := "https://" + startNginx(t, []string{nodes[0].Addr, nodes[1].Addr})

	group := newSubscribers(t, base, size.clients)
	until(t, "every client has a stream", group.connected)
	pub := newPublisher(t, []string{nodes[0].Addr, nodes[1].Addr}, base, size.pace)
	until(t, "every client has an event", func() bool { return group.received(1) })

	var stops []time.Time
	for i, n := range nodes {
		stops = append(stops, time.Now())
		require.Zero(t, n.Stop(t), "the node did not stop in order")
		t.Logf("node %d: stopped %.1fs after SIGTERM", i, time.Since(stops[i]).Seconds())
		nodes[i] = startNode(t, append(size.settings, "HTTP_ADDR="+n.Addr)...)
		until(t, "every client has a stream", group.connected)
		current := pub.published()
		until(t, "every client has a current event", func() bool { return group.received(current) })
		t.Logf("node %d: all clients are connected %.1fs after SIGTERM", i, time.Since(stops[i]).Seconds())
	}
	acks := pub.close(t)
	last := pub.published()
	until(t, "every client has the last event", func() bool { return group.received(last) })
	group.leave()
	group.report(t, stops, acks)
	pub.report(t)
	for _, c := range group.clients {
		c.check(t, acks)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit, again := time.After(waitTimeout+drainLimit), time.NewTicker(20*time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-limit:
			require.FailNow(t, "condition not met: "+what)
		}
	}
}

// ack is when a node acknowledged an event, and the number of the event.
type ack struct {
	n  int
	at time.Time
}

// publisher publishes numbered events to every node and records what was acknowledged.
type publisher struct {
	mu       sync.Mutex
	acks     map[event.Position]ack
	last     int
	missed   int            // publishes to a node that was down
	through  map[string]int // results of publishes through the proxy
	stop     context.CancelFunc
	finished sync.WaitGroup
}

func newPublisher(t *testing.T, nodes []string, base string, pace time.Duration) *publisher {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l := &publisher{acks: map[event.Position]ack{}, through: map[string]int{}, stop: stop}
	var direct []*client.Client
	for _, addr := range nodes {
		direct = append(direct, newClient(t, "http://"+addr, 1, proxyHost))
	}
	l.finished.Go(func() {
		every := time.NewTicker(pace)
		defer every.Stop()
		for n := 1; ctx.Err() == nil; n++ {
			var both sync.WaitGroup
			for _, c := range direct {
				both.Go(func() { l.publish(c, n) })
			}
			both.Wait()
			l.mu.Lock()
			l.last = n
			l.mu.Unlock()
			<-every.C
		}
	})
	proxied := newClient(t, base, 1, clientB)
	l.finished.Go(func() {
		every := time.NewTicker(pace / 5)
		defer every.Stop()
		for ctx.Err() == nil {
			_, err := proxied.Publish(context.Background(), client.PublishRequest{Topics: []string{"through"}, Data: "x"})
			l.mu.Lock()
			l.through[outcome(err)]++
			l.mu.Unlock()
			<-every.C
		}
	})
	t.Cleanup(func() { stop(); l.finished.Wait() })
	return l
}

func (l *publisher) publish(c *client.Client, n int) {
	id, err := c.Publish(context.Background(), client.PublishRequest{Topics: []string{"numbers"}, Data: strconv.Itoa(n)})
	at := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	position, parseErr := event.ParsePosition(id)
	if err != nil || parseErr != nil {
		l.missed++
		return
	}
	l.acks[position] = ack{n, at}
}

func outcome(err error) string {
	if problem, ok := errors.AsType[*client.ProblemError](err); ok {
		return strconv.Itoa(problem.Status)
	}
	if err != nil {
		return "failed"
	}
	return "201"
}

func (l *publisher) published() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// close ends publishing and returns what was acknowledged.
func (l *publisher) close(t *testing.T) map[event.Position]ack {
	t.Helper()
	l.stop()
	l.finished.Wait()
	require.NotEmpty(t, l.acks)
	return l.acks
}

func (l *publisher) report(t *testing.T) {
	t.Helper()
	t.Logf("published %d events to each node: %d acknowledged, %d while the node was down; through the proxy: %v", l.last, len(l.acks), l.missed, l.through)
	assert.Positive(t, l.through["201"])
}

// newClient returns a client that publishes with the token, over one version of HTTP, from a loopback address.
func newClient(t *testing.T, base string, version int, from string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{
		URL: base, Token: secret, Timeout: waitTimeout, Silence: 40 * time.Second,
		Retry: 500 * time.Millisecond, MaxRetry: 10 * time.Second, MaxEvent: 1 << 20,
	}, transport(t, version, from))
	require.NoError(t, err)
	return c
}

// address returns an address for each client: nginx distinguishes clients by it.
func address(i int) string { return fmt.Sprintf("127.1.%d.%d", i/250, i%250+1) }
