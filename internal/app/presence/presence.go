// Package presence tells streams who subscribes to a topic: how many streams there are, and which members.
//
// A topic whose presence somebody watches has a [room] while that lasts. The engine tells a room which streams of this
// node subscribe to its topic, and an [Exchange] what those of other nodes do; other topics cost nothing. Presence is
// state and not history: it is not in the log, its events have no position, and a slow stream gets the newest state only.
//
// Guarantees, for the streams of this node and, once no message is lost any more, for those of all nodes:
//
//   - A count equals the number of streams within two intervals.
//   - A stream is sent at most one event an interval about a topic.
//   - A list of members and the changes that follow it add up to the members that there are. A member that comes back
//     within the grace has neither left nor joined.
//   - Memory is bounded by the streams, the topics they watch and the largest list.
package presence

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// maxLingering is how many rooms are kept for a grace after their last watcher.
const maxLingering = 1000

// Engine tells which streams subscribe to a topic. See [pubsub.Engine.Attend].
type Engine interface {
	Attend(topic event.Topic, audience pubsub.Audience, attended func())
	Unattend(topic event.Topic)
}

// Presence knows who subscribes to the topics that somebody watches. Its methods may be called concurrently.
//
// Locks are taken in this order: mu, the mu of a room, dueMu.
type Presence struct {
	cfg    Config
	engine Engine
	peers  *peers // nil where there is one node only
	pace   pace

	mu        sync.Mutex
	rooms     map[event.Topic]*room
	lingering int // rooms that are kept although nobody watches

	dueMu sync.Mutex
	due   []*room // rooms that the next tick has something to do for

	watched atomic.Int64 // rooms with a watcher
	members atomic.Int64 // of all rooms
}

// New returns a presence of the engine's streams and, through the exchange, those of other nodes. Without other nodes
// the exchange is nil. [Presence.Run] must be running for changes to be told.
func New(cfg Config, engine Engine, exchange Exchange) (*Presence, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Presence{cfg: cfg, engine: engine, rooms: make(map[event.Topic]*room)}
	p.pace.start(cfg.Interval)
	if exchange != nil {
		p.peers = newPeers(p, rand.Text(), exchange)
	}
	return p, nil
}

// Run tells watchers and other nodes what changed, each interval, until the context ends; then it returns nil.
func (p *Presence) Run(ctx context.Context) error {
	if p.peers == nil {
		p.run(ctx, nil)
		return nil
	}
	var receiving sync.WaitGroup
	receiving.Go(func() { p.peers.receiveAll(ctx) })
	p.peers.later(func() { p.peers.greet = true })
	p.run(ctx, p.peers.urgent)
	receiving.Wait()
	p.peers.leave()
	return nil
}

// urgentPause is the least time between two flushes of urgent messages to other nodes.
const urgentPause = 50 * time.Millisecond

func (p *Presence) run(ctx context.Context, urgent <-chan struct{}) {
	ticker := time.NewTicker(p.cfg.Interval)
	defer ticker.Stop()
	ready, paused := urgent, (<-chan time.Time)(nil)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.tick(time.Now())
		case <-ready:
			p.peers.flush()
			ready, paused = nil, time.After(urgentPause)
		case <-paused:
			ready, paused = urgent, nil
		}
	}
}

// PublicCount reports whether whoever may subscribe to a topic may see its count.
func (p *Presence) PublicCount() bool { return p.cfg.PublicCount }

// tick tells what changed since the last tick.
func (p *Presence) tick(now time.Time) {
	p.pace.tick(now)
	p.dueMu.Lock()
	due := p.due
	p.due = nil
	p.dueMu.Unlock()
	var out *packer
	if p.peers != nil {
		out = p.peers.packer()
	}
	for _, r := range due {
		if r.tick(now, out) {
			p.drop(r, now)
		}
	}
	if p.peers != nil {
		p.peers.tick(now, out)
		out.flush()
	}
}

// enter calls use with the room of a topic, which it makes if there is none.
func (p *Presence) enter(topic event.Topic, use func(*room)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rooms[topic]
	if r == nil {
		r = &room{presence: p, topic: topic, present: make(map[string]int)}
		p.rooms[topic] = r
		p.engine.Attend(topic, r, r.attended)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	use(r)
}

// find returns the room of a topic, or nil.
func (p *Presence) find(topic event.Topic) *room {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rooms[topic]
}

// drop removes a room that nobody needs any more.
func (p *Presence) drop(r *room, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.idle(now) {
		return
	}
	delete(p.rooms, r.topic)
	p.engine.Unattend(r.topic)
	p.members.Add(-int64(len(r.present)))
	r.gone = true
}

// all returns the rooms that there are.
func (p *Presence) all() []*room {
	p.mu.Lock()
	defer p.mu.Unlock()
	rooms := make([]*room, 0, len(p.rooms))
	for _, r := range p.rooms {
		rooms = append(rooms, r)
	}
	return rooms
}

// Stats is what presence holds and what it has exchanged with other nodes.
type Stats struct {
	Topics   int // that a stream of this node watches
	Members  int // of these topics, and of those that other nodes watch
	Nodes    int // other nodes that were heard lately
	Sent     uint64
	Received uint64 // messages
}

// Stats returns the current numbers.
func (p *Presence) Stats() Stats {
	s := Stats{Topics: int(p.watched.Load()), Members: int(p.members.Load())}
	if p.peers != nil {
		s.Nodes, s.Sent, s.Received = p.peers.stats()
	}
	return s
}
