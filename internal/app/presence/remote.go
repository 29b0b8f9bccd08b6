package presence

import (
	"time"

	"carillon/internal/domain/access"
)

// remote is what another node said about a topic.
type remote struct {
	version uint64 // 0 until it said anything
	streams int
	members map[string]access.Member
	asked   time.Time // when it was asked last
	parts   parts
}

// parts are those of a state that have come.
type parts struct {
	version uint64
	missing int
	members [][]memberData
	came    []bool
}

// maxParts bounds the parts of a state: more than a million members.
const maxParts = 4096

// side returns what a node said about the topic.
func (r *room) side(node string) *remote {
	side := r.remote[node]
	if side == nil {
		side = &remote{}
		if r.remote == nil {
			r.remote = make(map[string]*remote)
		}
		r.remote[node] = side
	}
	return side
}

// request asks a node for its state, unless it was asked just now.
func (r *room) request(node string) {
	side := r.side(node)
	if now := time.Now(); now.Sub(side.asked) >= askInterval {
		side.asked = now
		r.presence.peers.request(r.topic, node)
	}
}

// compare asks a node for its state if this node does not have the version that it sent last.
func (r *room) compare(node string, version uint64) {
	if r.side(node).version < version {
		r.request(node)
	}
}

// applyChange applies a change to the version that it belongs to. An older one is known already, and for a newer one
// something is missing.
func (r *room) applyChange(node string, c change) {
	side := r.side(node)
	switch {
	case c.Version <= side.version:
		return
	case side.version == 0 || c.Before != side.version:
		r.request(node)
		return
	}
	side.version = c.Version
	for _, d := range c.Joined {
		r.enterFrom(side, memberOf(d))
	}
	for _, id := range c.Left {
		r.leaveFrom(side, id)
	}
	r.countFrom(side, c.Streams)
}

// applyState replaces what a node said once all parts of the state have come.
func (r *room) applyState(node string, s state) {
	side := r.side(node)
	if s.Version <= side.version || s.Parts < 1 || s.Parts > maxParts || s.Part < 0 || s.Part >= s.Parts {
		return
	}
	p := &side.parts
	switch {
	case s.Version < p.version:
		return
	case s.Version > p.version || s.Parts != len(p.came):
		*p = parts{version: s.Version, missing: s.Parts, members: make([][]memberData, s.Parts), came: make([]bool, s.Parts)}
	}
	if p.came[s.Part] {
		return
	}
	p.came[s.Part], p.members[s.Part] = true, s.Members
	if p.missing--; p.missing > 0 {
		return
	}
	before := side.members
	members := p.members
	side.version, side.members, side.parts = s.Version, make(map[string]access.Member), parts{}
	for _, part := range members {
		for _, d := range part {
			m := memberOf(d)
			side.members[m.ID] = m
			if _, had := before[m.ID]; !had {
				r.enter(m.ID)
			}
		}
	}
	for id, m := range before {
		if _, has := side.members[id]; !has {
			r.leave(m)
		}
	}
	r.countFrom(side, s.Streams)
	r.madeProgress()
}

func (r *room) enterFrom(side *remote, m access.Member) {
	_, had := side.members[m.ID]
	side.members[m.ID] = m
	if !had {
		r.enter(m.ID)
	}
}

func (r *room) leaveFrom(side *remote, id string) {
	if m, had := side.members[id]; had {
		delete(side.members, id)
		r.leave(m)
	}
}

func (r *room) countFrom(side *remote, streams int) {
	r.streams += streams - side.streams
	side.streams = streams
	r.touch()
}

// forget forgets what a node said.
func (r *room) forget(node string) {
	side := r.remote[node]
	if side == nil {
		return
	}
	delete(r.remote, node)
	for _, m := range side.members {
		r.leave(m)
	}
	r.countFrom(side, 0)
}

// digest adds what other nodes must know to compare. It reports whether the room may have become idle.
func (r *room) digest(now time.Time, out *packer) (idle bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for node, until := range r.interest {
		if !now.Before(until) {
			delete(r.interest, node)
		}
	}
	topic := r.topic.String()
	if r.watchedHere() {
		out.add(len(topic), func(m *message) { m.Watches = append(m.Watches, topic) })
	}
	if len(r.interest) > 0 && r.local.version > 0 {
		v := version{Topic: topic, Version: r.local.version}
		out.add(len(topic), func(m *message) { m.Versions = append(m.Versions, v) })
	}
	return len(r.watchers) == 0
}

// export adds what this node's streams say to what other nodes were sent: all of it, or what changed.
func (r *room) export(out *packer) {
	l := &r.local
	if len(r.interest) == 0 {
		l.version, l.before, l.wanted = 0, nil, false
		return
	}
	if !r.complete {
		return
	}
	brief := len(l.members) > r.presence.cfg.MaxMembers
	changed := len(l.before) > 0 || l.sent != l.streams
	before := l.version
	if changed || before == 0 {
		l.version = r.presence.peers.version.Add(1)
	}
	switch {
	case l.wanted || before == 0 || l.brief && !brief:
		r.exportState(out, brief)
	case changed:
		r.exportChange(out, before, brief)
	}
	l.before, l.sent, l.brief, l.wanted = nil, l.streams, brief, false
}

// exportState adds all of it, in parts that fit into messages.
func (r *room) exportState(out *packer, brief bool) {
	const partBytes = MaxMessage / 2
	all, size := [][]memberData{nil}, 0
	for _, m := range r.local.members {
		d := dataOf(m.member, brief)
		if size += len(d.ID) + len(d.Info) + overhead; size > partBytes {
			all, size = append(all, nil), 0
		}
		all[len(all)-1] = append(all[len(all)-1], d)
	}
	for i, members := range all {
		s := state{
			version: version{Topic: r.topic.String(), Version: r.local.version},
			Part:    i, Parts: len(all), Streams: r.local.streams, Members: members,
		}
		out.add(sizeOf(members), func(m *message) { m.States = append(m.States, s) })
	}
}

// exportChange adds what changed. A change too large for a message is sent as a state.
func (r *room) exportChange(out *packer, before uint64, brief bool) {
	c := change{version: version{Topic: r.topic.String(), Version: r.local.version}, Before: before, Streams: r.local.streams}
	size := 0
	for id, was := range r.local.before {
		m := r.local.members[id]
		if m != nil {
			c.Joined = append(c.Joined, dataOf(m.member, brief))
		} else if was {
			c.Left = append(c.Left, id)
			size += len(id) + overhead
		}
	}
	if size += sizeOf(c.Joined); size > MaxMessage/2 {
		r.exportState(out, brief)
		return
	}
	out.add(size+len(c.Topic), func(m *message) { m.Changes = append(m.Changes, c) })
}

func dataOf(m access.Member, brief bool) memberData {
	if brief {
		return memberData{ID: m.ID}
	}
	return memberData{ID: m.ID, Info: []byte(m.Info)}
}

func sizeOf(members []memberData) int {
	size := overhead
	for _, d := range members {
		size += len(d.ID) + len(d.Info) + overhead
	}
	return size
}
