package presence

import (
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// Kind is what a subscription is told about its topics.
type Kind int

// Kinds of presence.
const (
	None    Kind = iota
	Count        // how many streams and members there are
	Members      // who the members are
)

// Watch returns the notices of a stream that is told about its topics.
func (p *Presence) Watch(kind Kind, topics []event.Topic) pubsub.Notices {
	return &watcher{presence: p, kind: kind, topics: topics}
}

// watcher is a stream that is told about its topics. It belongs to the stream's shard.
type watcher struct {
	presence *Presence
	kind     Kind
	topics   []event.Topic
	watches  []watch
	offered  *watch // what Next returned an event of
}

// watch is one topic of a watcher.
type watch struct {
	room   *room
	slot   int // in the watchers of the room, and guarded by its mu
	stream *pubsub.Stream
	list   bool

	told    uint64 // version of the list that the client has; 0 for none
	count   count  // that the client has
	first   bool   // the client has been told nothing yet
	due     int64  // the tick from which the client may be told again
	offered announced
}

// announced is what the client has once it took the event that was offered.
type announced struct {
	version uint64
	count   count
}

// Begin starts to watch the topics.
func (w *watcher) Begin(s *pubsub.Stream) {
	w.watches = make([]watch, len(w.topics))
	for i, topic := range w.topics {
		x := &w.watches[i]
		x.stream, x.list, x.first = s, w.kind == Members, true
		w.presence.enter(topic, func(r *room) { r.add(x) })
	}
}

// Next returns the next event that the client is due.
func (w *watcher) Next() *pubsub.Item {
	for i := range w.watches {
		if item := w.watches[i].next(w.presence); item != nil {
			w.offered = &w.watches[i]
			return item
		}
	}
	return nil
}

// Taken notes what the client has.
func (w *watcher) Taken() {
	x := w.offered
	x.first, x.told, x.count = false, x.offered.version, x.offered.count
	x.due = w.presence.pace.next(time.Now())
}

// End stops watching.
func (w *watcher) End() {
	for i := range w.watches {
		w.watches[i].room.remove(&w.watches[i])
	}
}

// next returns the event that tells the client what it does not have yet, or nil.
func (x *watch) next(p *Presence) *pubsub.Item {
	a := x.room.announced.Load()
	if x.first {
		a = x.room.current(x.list)
	}
	if a == nil || x.due > p.pace.current() && !x.first {
		return nil
	}
	x.offered = announced{version: a.version, count: a.count}
	if !x.list {
		if !x.first && x.count == a.count {
			return nil
		}
		return a.countEvent()
	}
	switch {
	case !a.listed: // an announcement from before this watcher, who is not told first; a newer one follows
		return nil
	case x.told == a.version:
		if a.truncated && x.count != a.count {
			return a.countEvent()
		}
		return nil
	case x.told > 0 && !a.truncated:
		item, known := a.changedEvent(x.told)
		if known && item == nil {
			x.told = a.version // what happened since cancelled out
		}
		if known {
			return item
		}
	}
	return a.membersEvent()
}

// add adds a watcher. The caller holds mu.
func (r *room) add(x *watch) {
	x.room, x.slot = r, len(r.watchers)
	if !r.watchedHere() && r.presence.peers != nil {
		r.presence.peers.ask(r.topic)
	}
	r.watchers = append(r.watchers, x)
	if len(r.watchers) == 1 {
		r.presence.watched.Add(1)
	}
	if x.list {
		r.listers++
	}
	if r.kept {
		r.kept = false
		r.presence.lingering--
	}
}

// remove removes a watcher. When the last one of the members leaves, the room lingers for the grace, so that it is
// itself when all of its watchers reconnect.
func (r *room) remove(x *watch) {
	p := r.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.watchers) - 1
	moved := r.watchers[last]
	r.watchers[x.slot], moved.slot = moved, x.slot
	r.watchers[last] = nil
	r.watchers = r.watchers[:last]
	if x.list {
		r.listers--
	}
	if last > 0 {
		return
	}
	p.watched.Add(-1)
	if x.list && p.cfg.Grace > 0 && p.lingering < maxLingering {
		p.lingering++
		r.kept, r.until = true, time.Now().Add(p.cfg.Grace)
	}
	r.schedule()
}
