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

	"carillon/internal/client"
	"carillon/internal/domain/event"
)

// scale is how large a rolling restart is tried.
type scale struct {
	clients  int
	pace     time.Duration // between events
	settings []string
}

// scaleWanted is small, and with CARILLON_ROLLING=1 that of a working day, with the times of configs/default.yaml.
func scaleWanted() scale {
	if os.Getenv("CARILLON_ROLLING") != "" {
		return scale{2000, 250 * time.Millisecond, []string{"DRAIN_WINDOW=20s", "DRAIN_TIMEOUT=30s"}}
	}
	return scale{100, 50 * time.Millisecond, []string{"DRAIN_WINDOW=3s", "STREAM_RETRY=200ms"}}
}

// Two instances behind nginx are restarted one after the other, while events are published to both and clients come back
// through nginx, resuming by id. The instances share no log, so a client that changes over misses what the other had
// published meanwhile; that is announced. Nothing else may be missing, and nobody may be left behind.
func TestRollingRestart(t *testing.T) {
	needs(t, "nginx")
	size := scaleWanted()
	nodes := []*node{startNode(t, size.settings...), startNode(t, size.settings...)}
	base := "https://" + startNginx(t, []string{nodes[0].addr, nodes[1].addr})

	crowd := newCrowd(t, base, size.clients)
	until(t, "every client has a stream", crowd.attached)
	led := newLedger(t, []string{nodes[0].addr, nodes[1].addr}, base, size.pace)
	until(t, "every client has an event", func() bool { return crowd.heard(1) })

	var terms []time.Time
	for i, n := range nodes {
		terms = append(terms, time.Now())
		n.stop(t)
		n.wait(t)
		require.Zero(t, n.cmd.ProcessState.ExitCode(), "a node that drained says so by its exit code")
		t.Logf("node %d: stopped %.1fs after SIGTERM", i, time.Since(terms[i]).Seconds())
		nodes[i] = startNodeAt(t, n.addr, size.settings...)
		until(t, "every client has a stream", crowd.attached)
		mark := led.published()
		until(t, "every client is with events of now", func() bool { return crowd.heard(mark) })
		t.Logf("node %d: everybody is back %.1fs after SIGTERM", i, time.Since(terms[i]).Seconds())
	}
	acks := led.close(t)
	last := led.published()
	until(t, "every client has the last event", func() bool { return crowd.heard(last) })
	crowd.leave()
	crowd.report(t, terms, acks)
	led.report(t)
	for _, c := range crowd.clients {
		c.check(t, acks)
	}
}

// until waits for something that should become true.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit, again := time.After(patience+drainLimit), time.NewTicker(20*time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-limit:
			require.FailNow(t, "waited in vain until "+what)
		}
	}
}

// ack is an event that a node answered for, and when.
type ack struct {
	n  int
	at time.Time
}

// ledger publishes numbered events to every node, and writes down what was acknowledged.
type ledger struct {
	mu       sync.Mutex
	acks     map[event.Position]ack
	last     int
	missed   int            // publishes to a node that was away
	through  map[string]int // answers to publishes through the proxy
	stop     context.CancelFunc
	finished sync.WaitGroup
}

func newLedger(t *testing.T, nodes []string, base string, pace time.Duration) *ledger {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l := &ledger{acks: map[event.Position]ack{}, through: map[string]int{}, stop: stop}
	var direct []*client.Client
	for _, addr := range nodes {
		direct = append(direct, newClient(t, "http://"+addr, 1, here))
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
	proxied := newClient(t, base, 1, away)
	l.finished.Go(func() {
		every := time.NewTicker(pace / 5)
		defer every.Stop()
		for ctx.Err() == nil {
			_, err := proxied.Publish(context.Background(), client.PublishRequest{Topics: []string{"through"}, Data: "x"})
			l.mu.Lock()
			l.through[answer(err)]++
			l.mu.Unlock()
			<-every.C
		}
	})
	t.Cleanup(func() { stop(); l.finished.Wait() })
	return l
}

func (l *ledger) publish(c *client.Client, n int) {
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

func answer(err error) string {
	if problem, ok := errors.AsType[*client.ProblemError](err); ok {
		return strconv.Itoa(problem.Status)
	}
	if err != nil {
		return "broken"
	}
	return "201"
}

func (l *ledger) published() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// close ends publishing, and answers what was acknowledged.
func (l *ledger) close(t *testing.T) map[event.Position]ack {
	t.Helper()
	l.stop()
	l.finished.Wait()
	require.NotEmpty(t, l.acks)
	return l.acks
}

func (l *ledger) report(t *testing.T) {
	t.Helper()
	t.Logf("published %d events to each node: %d acknowledged, %d while the node was away; through the proxy: %v", l.last, len(l.acks), l.missed, l.through)
	assert.Positive(t, l.through["201"])
}

func newClient(t *testing.T, base string, version int, from string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{
		URL: base, Token: secret, Timeout: patience, Silence: 40 * time.Second,
		Retry: 500 * time.Millisecond, MaxRetry: 10 * time.Second, MaxEvent: 1 << 20,
	}, transport(t, version, from))
	require.NoError(t, err)
	return c
}

// address gives each client one of its own: nginx tells clients apart by it.
func address(i int) string { return fmt.Sprintf("127.1.%d.%d", i/250, i%250+1) }
