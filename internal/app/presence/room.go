package presence

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// linger is for how many ticks after an announcement its watchers are told: those that were told something less than an
// interval before are not told at the first.
const linger = 3

// room is what is known about a topic that somebody watches, here or on another node.
type room struct {
	presence  *Presence
	topic     event.Topic
	announced atomic.Pointer[announcement] // what watchers are told; nil before the first

	mu        sync.Mutex
	complete  bool // every shard has told of its streams
	gone      bool // removed from the presence
	scheduled bool // among the rooms that are due
	changed   bool // since the last announcement
	telling   int  // ticks for which watchers are told of the last announcement

	local    local
	remote   map[string]*remote // by node
	streams  int                // here and on other nodes
	present  map[string]int     // members, and on how many nodes each is
	leaving  map[string]leaver  // members that are no longer present but within the grace
	watchers []*watch
	listers  int       // watchers of the members
	readers  int       // calls of [Presence.Read]
	kept     bool      // counts as lingering
	until    time.Time // when lingering ends
	interest map[string]time.Time
	progress chan struct{} // closed when a state of another node came; nil if nobody waits
}

// leaver is a member whose last stream ended.
type leaver struct {
	member access.Member
	until  time.Time
}

// attended is called when all shards have told of their streams.
func (r *room) attended() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complete = true
	pubsub.NotifyAll(r.watching())
	r.madeProgress()
	if r.local.wanted {
		r.presence.peers.answer(r)
	}
}

// madeProgress wakes the calls of Read that wait.
func (r *room) madeProgress() {
	if r.progress != nil {
		close(r.progress)
		r.progress = nil
	}
}

// Joined counts a stream of this node. A shard calls it.
func (r *room) Joined(sub *pubsub.Subscription) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return
	}
	r.streams++
	if r.local.join(sub.Member) {
		r.enter(sub.Member.ID)
	}
	r.touch()
}

// Left counts a stream of this node that has ended. A shard calls it.
func (r *room) Left(sub *pubsub.Subscription) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return
	}
	r.streams--
	if left, last := r.local.leave(sub.Member); last {
		r.leave(left)
	}
	r.touch()
}

// touch notes a change, which the next tick tells.
func (r *room) touch() {
	r.changed = true
	r.schedule()
}

func (r *room) schedule() {
	if r.scheduled {
		return
	}
	r.scheduled = true
	r.presence.dueMu.Lock()
	defer r.presence.dueMu.Unlock()
	r.presence.due = append(r.presence.due, r)
}

// enter counts a node that a member is on.
func (r *room) enter(id string) {
	r.present[id]++
	if r.present[id] == 1 {
		r.presence.members.Add(1)
		delete(r.leaving, id)
	}
}

// leave counts a node that a member is no longer on. From the last one it stays for the grace, while somebody is told
// of the members.
func (r *room) leave(m access.Member) {
	r.present[m.ID]--
	if r.present[m.ID] > 0 {
		return
	}
	delete(r.present, m.ID)
	r.presence.members.Add(-1)
	grace := r.presence.cfg.Grace
	// With more than the longest list nothing is listed anyway.
	if grace > 0 && (r.listers > 0 || r.kept) && len(r.leaving) <= r.presence.cfg.MaxMembers {
		if r.leaving == nil {
			r.leaving = make(map[string]leaver)
		}
		r.leaving[m.ID] = leaver{member: m, until: time.Now().Add(grace)}
	}
}

// watchedHere reports whether this node needs to know about the streams of others.
func (r *room) watchedHere() bool { return len(r.watchers) > 0 || r.readers > 0 || r.kept }

// idle reports whether nobody needs the room. One that the shards have not answered for yet is kept until they have, so
// that there is one request to them at a time.
func (r *room) idle(now time.Time) bool {
	if r.kept && !now.Before(r.until) {
		r.kept = false
		r.presence.lingering--
	}
	return r.complete && !r.watchedHere() && len(r.interest) == 0
}

// tick tells watchers and other nodes what changed. It reports whether the room may have become idle.
func (r *room) tick(now time.Time, out *packer) (idle bool) {
	r.mu.Lock()
	r.scheduled = false
	if r.gone {
		r.mu.Unlock()
		return false
	}
	for id, l := range r.leaving {
		if !now.Before(l.until) {
			delete(r.leaving, id)
			r.changed = true
		}
	}
	var told []*pubsub.Stream
	switch {
	case len(r.watchers) > 0 && r.complete:
		if r.changed && r.announced.Load() != nil {
			r.announce(now)
		}
		if r.telling > 0 {
			r.telling--
			told = r.watching()
		}
	case !r.watchedHere():
		r.forgetOthers()
	}
	if out != nil {
		r.export(out)
	}
	again := r.telling > 0 || len(r.leaving) > 0 || r.kept || !r.complete
	if again {
		r.schedule()
	}
	idle = len(r.watchers) == 0
	r.mu.Unlock()
	pubsub.NotifyAll(told)
	return idle
}

// watching returns the streams that watch.
func (r *room) watching() []*pubsub.Stream {
	streams := make([]*pubsub.Stream, len(r.watchers))
	for i, w := range r.watchers {
		streams[i] = w.stream
	}
	return streams
}

// forgetOthers forgets what nobody here needs any more: the streams of other nodes, and what was announced.
func (r *room) forgetOthers() {
	for node := range r.remote {
		r.forget(node)
	}
	clear(r.leaving)
	r.announced.Store(nil)
	r.telling = 0
}

// current returns what a watcher is told first: the last announcement, or a new one if that may be made now. It is nil
// while shards have not told of their streams yet.
func (r *room) current(list bool) *announcement {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.complete || r.gone {
		return nil
	}
	now, a := time.Now(), r.announced.Load()
	if a == nil || list && !a.listed || r.changed && now.Sub(a.at) >= r.presence.cfg.Interval {
		a = r.announce(now)
		r.schedule()
	}
	return a
}

// announce makes what there is known to the watchers, if it differs from what they know.
func (r *room) announce(now time.Time) *announcement {
	r.changed = false
	last := r.announced.Load()
	next := &announcement{topic: r.topic, at: now, count: r.count(), listed: r.listers > 0, version: 1}
	if next.listed {
		next.list, next.truncated = r.list()
	}
	if last != nil {
		next.follow(last)
		if next.version == last.version && next.count == last.count {
			return last
		}
	}
	r.announced.Store(next)
	r.telling = linger
	return next
}

func (r *room) count() count { return count{streams: r.streams, members: len(r.present)} }

// list returns the members, sorted, including those within the grace. It reports true instead if there are too many.
func (r *room) list() (list []access.Member, truncated bool) {
	n := len(r.present) + len(r.leaving)
	if n > r.presence.cfg.MaxMembers {
		return nil, true
	}
	list = make([]access.Member, 0, n)
	for id := range r.present {
		list = append(list, r.member(id))
	}
	for _, l := range r.leaving {
		list = append(list, l.member)
	}
	slices.SortFunc(list, func(a, b access.Member) int { return cmp.Compare(a.ID, b.ID) })
	return list, false
}

// member returns a member that is present as the node says that has the least name of those it is on, so that all nodes
// show the same.
func (r *room) member(id string) access.Member {
	found, from := access.Member{ID: id}, ""
	if m := r.local.members[id]; m != nil {
		found = m.member
		if r.presence.peers == nil {
			return found
		}
		from = r.presence.peers.node
	}
	for node, side := range r.remote {
		if m, ok := side.members[id]; ok && (from == "" || node < from) {
			found, from = m, node
		}
	}
	return found
}
