package presence

import "carillon/internal/domain/access"

// local is what the streams of this node say about a topic.
type local struct {
	streams int
	members map[string]*localMember

	// What other nodes were sent, if any watches the topic.
	version uint64          // of what was sent last; 0 if nothing was
	sent    int             // streams that were sent
	before  map[string]bool // members that changed since, and whether each had been sent
	wanted  bool            // a node needs all there is
	brief   bool            // the members were sent without their infos, because there are too many to list
}

type localMember struct {
	streams int
	member  access.Member
}

// join counts a stream and reports whether it is the first of its member.
func (l *local) join(m *access.Member) bool {
	l.streams++
	if m == nil {
		return false
	}
	known := l.members[m.ID]
	first := known == nil
	if first {
		known = &localMember{}
		if l.members == nil {
			l.members = make(map[string]*localMember)
		}
		l.members[m.ID] = known
	}
	if first || known.member != *m {
		l.note(m.ID, !first)
	}
	known.member = *m // the newest stream has the newest info
	known.streams++
	return first
}

// leave counts a stream that has ended, and reports whether it was the last of its member.
func (l *local) leave(m *access.Member) (access.Member, bool) {
	l.streams--
	if m == nil {
		return access.Member{}, false
	}
	known := l.members[m.ID]
	if known.streams--; known.streams > 0 {
		return access.Member{}, false
	}
	l.note(m.ID, true)
	delete(l.members, m.ID)
	return known.member, true
}

// note remembers that a member changed since the last message to other nodes.
func (l *local) note(id string, was bool) {
	if l.version == 0 {
		return // nothing was sent that could change
	}
	if _, known := l.before[id]; !known {
		if l.before == nil {
			l.before = make(map[string]bool)
		}
		l.before[id] = was
	}
}
