package cluster_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carillon/internal/client"
	"carillon/internal/domain/event"
)

// topic is the topic of the events that the tests publish.
const topic = "numbers"

// publishers publish events with distinct keys, and publish each again until it is acknowledged.
type publishers struct {
	mu       sync.Mutex
	acks     map[event.Position]string // the data of each event that was acknowledged
	retries  int
	sequence int
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// newClient returns a client of a node or of the proxy, with connections of its own.
func newClient(t *testing.T, base string) *client.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 1}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(client.Config{
		URL: base, Token: secret, Timeout: 10 * time.Second, Silence: 40 * time.Second,
		Retry: 300 * time.Millisecond, MaxRetry: 2 * time.Second, MaxEvent: 1 << 20,
	}, transport)
	require.NoError(t, err)
	return c
}

// newPublishers starts n publishers for each node. A publisher that fails goes on at the other node.
func newPublishers(t *testing.T, n int, pace time.Duration, nodes ...string) *publishers {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &publishers{acks: map[event.Position]string{}, stop: stop}
	t.Cleanup(p.end)
	for i := range n * len(nodes) {
		var clients []*client.Client
		for j := range nodes {
			clients = append(clients, newClient(t, "http://"+nodes[(i+j)%len(nodes)]))
		}
		p.running.Go(func() {
			every := time.NewTicker(pace)
			defer every.Stop()
			for ctx.Err() == nil {
				<-every.C
				p.publish(ctx, clients)
			}
		})
	}
	return p
}

// publish publishes one event until it is acknowledged.
func (p *publishers) publish(ctx context.Context, clients []*client.Client) {
	p.mu.Lock()
	p.sequence++
	data := fmt.Sprint(p.sequence)
	p.mu.Unlock()
	for try := 0; ctx.Err() == nil; try++ {
		asking, cancel := context.WithTimeout(ctx, 10*time.Second)
		id, err := clients[try%len(clients)].Publish(asking, client.PublishRequest{Topics: []string{topic}, Data: data, Key: data})
		cancel()
		position, parseErr := event.ParsePosition(id)
		p.mu.Lock()
		if err == nil && parseErr == nil {
			p.acks[position] = data
			p.mu.Unlock()
			return
		}
		p.retries++
		p.mu.Unlock()
		lasts(100 * time.Millisecond)
	}
}

// acknowledged returns how many events were acknowledged.
func (p *publishers) acknowledged() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.acks)
}

// progress waits until n more events were acknowledged.
func (p *publishers) progress(t *testing.T, n int) {
	t.Helper()
	target := p.acknowledged() + n
	until(t, "events are acknowledged", func() bool { return p.acknowledged() >= target })
}

func (p *publishers) end() {
	p.stop()
	p.running.Wait()
}
