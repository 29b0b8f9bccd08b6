package presence

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"carillon/internal/domain/event"
)

const (
	// digestInterval is how often nodes compare what they know.
	digestInterval = 3 * time.Second
	// forgetAfter is after which silence a node and what it said are forgotten.
	forgetAfter = 10 * time.Second
	// askInterval is the least time between two questions to a node about a topic.
	askInterval = time.Second
	// receiveRetry is the pause before an exchange that failed is received from again.
	receiveRetry = time.Second
)

// peers exchanges presence with the other nodes. Each node owns what its own streams say, and sends it to those who
// watch: the changes of an interval, each with the version that it changes, and every few seconds the versions, so that
// a node that missed something asks for all of it.
type peers struct {
	presence *Presence
	node     string
	exchange Exchange
	urgent   chan struct{} // signalled when something should not wait for the next tick

	version        atomic.Uint64 // the greatest that was given out
	sent, received atomic.Uint64

	mu       sync.Mutex // taken last
	heard    map[string]time.Time
	asks     []event.Topic // that this node began to watch
	answers  []*room       // whose state another node needs
	requests []want
	greet    bool // this node, or one that it has heard, is new
	digested time.Time
}

func newPeers(p *Presence, node string, exchange Exchange) *peers {
	return &peers{
		presence: p, node: node, exchange: exchange,
		urgent: make(chan struct{}, 1), heard: make(map[string]time.Time),
	}
}

func (ps *peers) packer() *packer { return &packer{node: ps.node, send: ps.send} }

func (ps *peers) send(text []byte) {
	ps.sent.Add(1)
	ps.exchange.Send(text)
}

// receiveAll receives messages until the context ends.
func (ps *peers) receiveAll(ctx context.Context) {
	for ctx.Err() == nil {
		if ps.exchange.Receive(ctx, ps.receive) == nil && ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(receiveRetry):
		}
	}
}

// leave tells the other nodes that this one stops.
func (ps *peers) leave() {
	out := ps.packer()
	out.add(0, func(m *message) { m.Bye = true })
	out.flush()
}

func (ps *peers) stats() (nodes int, sent, received uint64) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return len(ps.heard), ps.sent.Load(), ps.received.Load()
}

// later notes something to send that should not wait for the next tick.
func (ps *peers) later(note func()) {
	ps.mu.Lock()
	note()
	ps.mu.Unlock()
	select {
	case ps.urgent <- struct{}{}:
	default:
	}
}

// ask asks all nodes about a topic that this one begins to watch.
func (ps *peers) ask(topic event.Topic) { ps.later(func() { ps.asks = append(ps.asks, topic) }) }

// answer sends what this node knows of a topic.
func (ps *peers) answer(r *room) { ps.later(func() { ps.answers = append(ps.answers, r) }) }

// request asks one node about a topic.
func (ps *peers) request(topic event.Topic, node string) {
	ps.later(func() { ps.requests = append(ps.requests, want{Topic: topic.String(), Node: node}) })
}

// flush sends what should not wait.
func (ps *peers) flush() {
	ps.mu.Lock()
	asks, answers, requests, greet := ps.asks, ps.answers, ps.requests, ps.greet
	ps.asks, ps.answers, ps.requests, ps.greet = nil, nil, nil, false
	ps.mu.Unlock()
	out := ps.packer()
	for _, topic := range asks {
		requests = append(requests, want{Topic: topic.String()})
	}
	for _, w := range requests {
		out.add(len(w.Topic)+len(w.Node), func(m *message) { m.Wants = append(m.Wants, w) })
	}
	for _, r := range answers {
		r.mu.Lock()
		r.export(out)
		r.mu.Unlock()
	}
	if greet {
		ps.digest(time.Now(), out)
	}
	out.flush()
}

// tick forgets silent nodes, and tells all nodes every few seconds what this one watches and has said.
func (ps *peers) tick(now time.Time, out *packer) {
	var silent []string
	ps.mu.Lock()
	for node, heard := range ps.heard {
		if now.Sub(heard) >= forgetAfter {
			silent = append(silent, node)
			delete(ps.heard, node)
		}
	}
	due := now.Sub(ps.digested) >= digestInterval
	ps.mu.Unlock()
	for _, node := range silent {
		ps.forget(node)
	}
	if due {
		ps.digest(now, out)
	}
}

func (ps *peers) digest(now time.Time, out *packer) {
	ps.mu.Lock()
	ps.digested = now
	ps.mu.Unlock()
	out.hello()
	for _, r := range ps.presence.all() {
		if r.digest(now, out) {
			ps.presence.drop(r, now)
		}
	}
}

// forget forgets a node and all it said.
func (ps *peers) forget(node string) {
	now := time.Now()
	for _, r := range ps.presence.all() {
		r.mu.Lock()
		r.forget(node)
		delete(r.interest, node)
		idle := len(r.watchers) == 0
		r.mu.Unlock()
		if idle {
			ps.presence.drop(r, now)
		}
	}
}

// nodes returns the other nodes that were heard lately.
func (ps *peers) nodes() []string {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var nodes []string
	for node := range ps.heard {
		nodes = append(nodes, node)
	}
	return nodes
}

// receive handles a message of another node.
func (ps *peers) receive(text []byte) {
	m := decode(text)
	if m == nil || m.Node == ps.node {
		return
	}
	ps.received.Add(1)
	if m.Bye {
		ps.mu.Lock()
		delete(ps.heard, m.Node)
		ps.mu.Unlock()
		ps.forget(m.Node)
		return
	}
	ps.hear(m.Node)
	for _, topic := range m.Watches {
		ps.interested(m.Node, topic, false)
	}
	for _, w := range m.Wants {
		if w.Node == "" || w.Node == ps.node {
			ps.interested(m.Node, w.Topic, true)
		}
	}
	for _, s := range m.States {
		ps.with(s.Topic, func(r *room) { r.applyState(m.Node, s) })
	}
	for _, c := range m.Changes {
		ps.with(c.Topic, func(r *room) { r.applyChange(m.Node, c) })
	}
	for _, v := range m.Versions {
		ps.with(v.Topic, func(r *room) { r.compare(m.Node, v.Version) })
	}
}

// hear notes that a node is there. A new one is told what this node watches.
func (ps *peers) hear(node string) {
	ps.mu.Lock()
	_, known := ps.heard[node]
	ps.heard[node] = time.Now()
	ps.mu.Unlock()
	if !known {
		ps.later(func() { ps.greet = true })
	}
}

// interested notes that a node watches a topic. It is sent what this node knows if it asks, or was not known to watch.
func (ps *peers) interested(node, text string, asks bool) {
	topic, ok := topicOf(text)
	if !ok {
		return
	}
	ps.presence.enter(topic, func(r *room) {
		if r.interest == nil {
			r.interest = make(map[string]time.Time)
		}
		_, known := r.interest[node]
		r.interest[node] = time.Now().Add(forgetAfter)
		if known && !asks || r.local.wanted {
			return
		}
		r.local.wanted = true
		if r.complete {
			ps.answer(r)
		}
	})
}

// with calls a function with the room of a topic if this node watches it.
func (ps *peers) with(text string, use func(*room)) {
	topic, ok := topicOf(text)
	if !ok {
		return
	}
	r := ps.presence.find(topic)
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.gone && r.watchedHere() {
		use(r)
	}
}
