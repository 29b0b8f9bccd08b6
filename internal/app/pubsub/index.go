package pubsub

import (
	"strings"

	"carillon/internal/domain/event"
)

// index finds the streams that subscribed to a topic: plain topics with one map look-up, patterns in a trie of their
// segments. So the cost of an event does not depend on how many other topics are subscribed to.
type index struct {
	topics map[event.Topic]*members
	root   node
	wild   int // the number of subscriptions to patterns with wildcards
}

// members are the subscriptions to one topic or pattern, in no particular order.
type members struct {
	list     []member
	audience Audience // of a plain topic; nil if nobody asks who subscribes to it
}

type member struct {
	stream *Stream
	nth    int // index of this subscription among the stream's memberships
}

// membership says where a subscription is in the index, so that a stream is removed without a search.
type membership struct {
	members *members
	pos     int // index in the list of members
}

// node is a node of the trie of patterns.
type node struct {
	children map[string]*node
	exact    members // patterns that end at this node
	anyRest  members // patterns that continue with "**"
}

func newIndex() index { return index{topics: make(map[event.Topic]*members)} }

// add adds a membership for each of the stream's patterns.
func (x *index) add(s *Stream) {
	s.memberships = make([]membership, 0, len(s.sub.Patterns))
	for _, p := range s.sub.Patterns {
		m := x.membersOf(p)
		s.memberships = append(s.memberships, membership{members: m, pos: len(m.list)})
		m.list = append(m.list, member{stream: s, nth: len(s.memberships) - 1})
		if m.audience != nil {
			m.audience.Joined(&s.sub)
		}
	}
}

// remove removes the stream's memberships, and topics and patterns without members or an audience.
func (x *index) remove(s *Stream) {
	for nth, p := range s.sub.Patterns {
		left := s.memberships[nth]
		m := left.members
		last := len(m.list) - 1
		moved := m.list[last]
		m.list[left.pos] = moved
		moved.stream.memberships[moved.nth].pos = left.pos
		m.list[last] = member{}
		m.list = m.list[:last]
		if cap(m.list) > 64 && len(m.list) < cap(m.list)/4 {
			m.list = append(make([]member, 0, 2*len(m.list)), m.list...)
		}
		if m.audience != nil {
			m.audience.Left(&s.sub)
		}
		x.prune(p, m)
	}
	s.memberships = nil
}

// membersOf returns the subscriptions to a pattern, which the first one creates.
func (x *index) membersOf(p event.Pattern) *members {
	if topic, plain := p.Topic(); plain {
		m := x.topics[topic]
		if m == nil {
			m = &members{}
			x.topics[topic] = m
		}
		return m
	}
	x.wild++
	n := &x.root
	for rest, more := p.String(), true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if segment == event.AnyRest {
			return &n.anyRest
		}
		child := n.children[segment]
		if child == nil {
			child = &node{}
			if n.children == nil {
				n.children = make(map[string]*node)
			}
			n.children[segment] = child
		}
		n = child
	}
	return &n.exact
}

// prune counts a subscription to the pattern that was removed, and removes what became empty.
func (x *index) prune(p event.Pattern, m *members) {
	if topic, plain := p.Topic(); plain {
		if len(m.list) == 0 && m.audience == nil {
			delete(x.topics, topic)
		}
		return
	}
	x.wild--
	if len(m.list) == 0 {
		x.root.prune(p.String())
	}
}

// prune removes the empty nodes along a pattern and reports whether this node is empty too.
func (n *node) prune(pattern string) bool {
	segment, rest, more := strings.Cut(pattern, "/")
	if segment != event.AnyRest {
		if child := n.children[segment]; child != nil {
			if more && child.prune(rest) || !more && child.empty() {
				delete(n.children, segment)
			}
		}
	}
	return n.empty()
}

func (n *node) empty() bool {
	return len(n.children) == 0 && len(n.exact.list) == 0 && len(n.anyRest.list) == 0
}

// match appends to found the subscriptions that match a topic. A stream appears once for each pattern that matches.
func (x *index) match(topic event.Topic, found []*members) []*members {
	if m := x.topics[topic]; m != nil {
		found = append(found, m)
	}
	if x.wild > 0 {
		found = x.root.match(topic.String(), found)
	}
	return found
}

func (n *node) match(topic string, found []*members) []*members {
	if len(n.anyRest.list) > 0 {
		found = append(found, &n.anyRest)
	}
	if len(n.children) == 0 {
		return found
	}
	segment, rest, more := strings.Cut(topic, "/")
	for _, child := range [2]*node{n.children[segment], n.children[event.AnySegment]} {
		switch {
		case child == nil:
		case more:
			found = child.match(rest, found)
		case len(child.exact.list) > 0:
			found = append(found, &child.exact)
		}
	}
	return found
}
