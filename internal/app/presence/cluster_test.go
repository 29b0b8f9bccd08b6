package presence_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/presence"
	"carillon/internal/app/pubsub"
)

// network connects nodes in this process. While it is faulty it loses, delays, repeats and reorders messages.
type network struct {
	mu     sync.Mutex
	rand   *rand.Rand
	faulty bool
	cut    map[*port]bool // ports that nothing reaches and nothing leaves
	ports  []*port
	wait   sync.WaitGroup
	sent   int
	bytes  int
}

// port is the exchange of one node.
type port struct {
	network *network
	inbox   chan []byte
}

func newNetwork(seed uint64) *network {
	return &network{rand: rand.New(rand.NewPCG(seed, 5)), cut: map[*port]bool{}}
}

func (n *network) port() *port {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &port{network: n, inbox: make(chan []byte, 10_000)}
	n.ports = append(n.ports, p)
	return p
}

func (n *network) setFaulty(faulty bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faulty = faulty
}

func (n *network) setCut(p *port, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[p] = cut
}

func (p *port) Send(message []byte) {
	n := p.network
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent++
	n.bytes += len(message)
	for _, to := range n.ports { // the sender gets its own messages too
		if n.cut[p] || n.cut[to] {
			continue
		}
		copies := 1
		if n.faulty {
			copies = []int{0, 0, 1, 1, 1, 2}[n.rand.IntN(6)]
		}
		for range copies {
			delay := time.Millisecond
			if n.faulty {
				delay = time.Duration(n.rand.IntN(3000)) * time.Millisecond
			}
			n.wait.Go(func() {
				time.Sleep(delay)
				select {
				case to.inbox <- message:
				default: // lost
				}
			})
		}
	}
}

func (p *port) Receive(ctx context.Context, deliver func([]byte)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case message := <-p.inbox:
			deliver(message)
		}
	}
}

// startCluster starts nodes on a network. They stop before the network does.
func startCluster(t *testing.T, cfg presence.Config, net *network, n int) []*node {
	t.Helper()
	t.Cleanup(net.wait.Wait)
	var nodes []*node
	for range n {
		nodes = append(nodes, start(t, cfg, net.port()))
	}
	return nodes
}

func TestNodesSeeEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := startCluster(t, config(), newNetwork(1), 3)
		time.Sleep(interval / 2)
		for i, n := range nodes {
			n.open(fmt.Sprint("u", i), presence.None, "a")
			n.open("u9", presence.None, "a")
		}
		assert.JSONEq(t, `[{"topic":"a","streams":6,"members":4}]`, nodes[0].read(presence.Count, "a"), "nobody watched it before")
		_, c := nodes[1].open("", presence.Count, "a")
		_, list := nodes[2].open("", presence.Members, "a")
		time.Sleep(2 * interval)
		assert.Equal(t, counted{Streams: 8, Members: 4}, c.Count("a"))
		assert.Equal(t, []string{"u0", "u1", "u2", "u9"}, list.IDs("a"))
		assert.JSONEq(t, `[{"topic":"a","streams":8,"members":4}]`, nodes[0].read(presence.Count, "a"))
		nodes[0].open("u7", presence.None, "a")
		time.Sleep(3 * interval)
		assert.Equal(t, counted{Streams: 9, Members: 5}, c.Count("a"))
		assert.Equal(t, []string{"u0", "u1", "u2", "u7", "u9"}, list.IDs("a"))
		assert.Empty(t, append(c.Problems(), list.Problems()...))
		assert.Equal(t, 2, nodes[0].presence.Stats().Nodes)
	})
}

// A rolling restart moves the streams from node to node. Nobody leaves and nobody joins.
func TestRollingRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork(2)
		t.Cleanup(net.wait.Wait)
		nodes := []*node{start(t, config(), net.port()), start(t, config(), net.port())}
		_, c := nodes[1].open("me", presence.Members, "a")
		var streams []*pubsub.Stream
		for i := range 4 {
			st, _ := nodes[0].open(fmt.Sprint("u", i), presence.None, "a")
			streams = append(streams, st)
		}
		time.Sleep(5 * interval)
		c.Texts()
		for range 3 {
			old := nodes[0]
			require.NoError(t, old.engine.Drain(context.Background(), 2*time.Second))
			old.stop()
			nodes[0] = start(t, config(), net.port())
			time.Sleep(4 * time.Second) // until they reconnect
			for i := range streams {
				streams[i], _ = nodes[0].open(fmt.Sprint("u", i), presence.None, "a")
			}
			time.Sleep(5 * interval)
			assert.Empty(t, c.Texts())
			assert.Equal(t, []string{"me", "u0", "u1", "u2", "u3"}, c.IDs("a"))
		}
		time.Sleep(time.Minute)
		assert.Empty(t, c.Texts())
		assert.Empty(t, c.Problems())
	})
}

// A node that dies without a word is forgotten after ten seconds, and its members after the grace.
func TestADeadNodeIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork(3)
		t.Cleanup(net.wait.Wait)
		port := net.port()
		dead, alive := start(t, config(), port), start(t, config(), net.port())
		dead.open("u1", presence.None, "a")
		_, count := alive.open("", presence.Count, "a")
		_, list := alive.open("", presence.Members, "a")
		time.Sleep(5 * interval)
		assert.Equal(t, counted{Streams: 3, Members: 1}, count.Count("a"))
		net.setCut(port, true)
		time.Sleep(13 * time.Second)
		assert.Equal(t, counted{Streams: 2}, count.Count("a"))
		assert.Equal(t, []string{"u1"}, list.IDs("a"), "within the grace")
		assert.Zero(t, alive.presence.Stats().Nodes)
		time.Sleep(15 * time.Second)
		assert.Empty(t, list.IDs("a"))
		net.setCut(port, false) // it was only unreachable
		time.Sleep(5 * time.Second)
		assert.Equal(t, counted{Streams: 3, Members: 1}, count.Count("a"))
		assert.Equal(t, []string{"u1"}, list.IDs("a"))
		assert.Empty(t, append(count.Problems(), list.Problems()...))
	})
}

// With any number of messages lost, late, repeated and out of order, all nodes agree with the truth 15 seconds after the
// last fault.
func TestNodesAgreeAfterFaults(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config()
				cfg.Grace = 0
				net := newNetwork(seed)
				nodes := startCluster(t, cfg, net, 2+int(seed%2))
				c := &crowd{t: t, rand: rand.New(rand.NewPCG(seed, 12))}
				for round := range 4 {
					net.setFaulty(true)
					lonely := net.ports[c.rand.IntN(len(net.ports))]
					net.setCut(lonely, c.rand.IntN(2) == 0)
					for range 20 + c.rand.IntN(100) {
						c.step(nodes[c.rand.IntN(len(nodes))])
					}
					net.setFaulty(false)
					net.setCut(lonely, false)
					time.Sleep(3 * time.Second) // the last message that was delayed
					time.Sleep(15 * time.Second)
					synctest.Wait()
					c.check(cfg.MaxMembers, fmt.Sprint("round ", round))
				}
				for len(c.all) > 0 {
					c.end(0)
				}
				time.Sleep(30 * time.Second)
				for _, n := range nodes {
					require.Zero(t, n.presence.Rooms())
				}
			})
		})
	}
}

// Members who do not fit into one message come in parts.
func TestALargeRoomComesInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork(4)
		nodes := startCluster(t, config(), net, 2)
		for i := range 5000 {
			nodes[0].open(fmt.Sprintf("member-%040d", i), presence.None, "a")
		}
		time.Sleep(interval)
		_, c := nodes[1].open("", presence.Count, "a")
		time.Sleep(3 * interval)
		assert.Equal(t, counted{Streams: 5001, Members: 5000}, c.Count("a"))
		net.mu.Lock()
		defer net.mu.Unlock()
		assert.Less(t, net.bytes/net.sent, presence.MaxMessage)
	})
}

// Other nodes send no change of a topic that nobody watches.
func TestOnlyWatchedTopicsAreExchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork(5)
		nodes := startCluster(t, config(), net, 2)
		time.Sleep(5*interval + interval/2)
		net.mu.Lock()
		before := net.bytes
		net.mu.Unlock()
		time.Sleep(30 * time.Second)
		net.mu.Lock()
		idle := net.bytes - before
		before = net.bytes
		net.mu.Unlock()
		for i := range 30 {
			nodes[0].open(fmt.Sprint("u", i), presence.None, "a")
			time.Sleep(interval)
		}
		net.mu.Lock()
		defer net.mu.Unlock()
		assert.Equal(t, idle, net.bytes-before)
	})
}
