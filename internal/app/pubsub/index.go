package pubsub

import (
	"strings"

	"carillon/internal/domain/event"
)

// index finds the streams that subscribed to a topic. Plain topics are one map look-up; patterns are a trie over their
// segments. So what a topic's event costs does not depend on how many other topics are subscribed to.
type index struct {
	topics map[event.Topic]*members
	root   node
	wild   int // how many pattern subscriptions there are
}

// members are the subscriptions of one topic or pattern, in no order.
type members struct{ list []member }

type member struct {
	stream *Stream
	slot   int // which of the stream's seats this is
}

// seat is where a subscription sits: it lets a stream leave without anyone searching for it.
type seat struct {
	members *members
	at      int
}

// node is a place in the trie of patterns.
type node struct {
	children map[string]*node
	here     members // patterns that end at this node
	rest     members // patterns that go on with "**"
}

func newIndex() index { return index{topics: make(map[event.Topic]*members)} }

// add takes a seat for each of the stream's patterns.
func (x *index) add(s *Stream) {
	s.seats = make([]seat, 0, len(s.sub.Patterns))
	for _, p := range s.sub.Patterns {
		m := x.membersOf(p)
		s.seats = append(s.seats, seat{members: m, at: len(m.list)})
		m.list = append(m.list, member{stream: s, slot: len(s.seats) - 1})
	}
}

// remove gives the stream's seats back and forgets topics and patterns that nobody asks for any more.
func (x *index) remove(s *Stream) {
	for slot, p := range s.sub.Patterns {
		taken := s.seats[slot]
		m := taken.members
		last := len(m.list) - 1
		moved := m.list[last]
		m.list[taken.at] = moved
		moved.stream.seats[moved.slot].at = taken.at
		m.list[last] = member{}
		m.list = m.list[:last]
		if cap(m.list) > 64 && len(m.list) < cap(m.list)/4 {
			m.list = append(make([]member, 0, 2*len(m.list)), m.list...)
		}
		x.forget(p, m)
	}
	s.seats = nil
}

// membersOf answers the subscriptions of a pattern, making room for a first one.
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
			return &n.rest
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
	return &n.here
}

// forget removes what became empty when a subscription of the pattern left.
func (x *index) forget(p event.Pattern, m *members) {
	if topic, plain := p.Topic(); plain {
		if len(m.list) == 0 {
			delete(x.topics, topic)
		}
		return
	}
	x.wild--
	if len(m.list) == 0 {
		x.root.prune(p.String())
	}
}

// prune removes the empty nodes along a pattern and reports whether nothing is left of this one.
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
	return len(n.children) == 0 && len(n.here.list) == 0 && len(n.rest.list) == 0
}

// match appends the subscriptions that a topic reaches to found. A stream appears once for each pattern that matches.
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
	if len(n.rest.list) > 0 {
		found = append(found, &n.rest)
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
		case len(child.here.list) > 0:
			found = append(found, &child.here)
		}
	}
	return found
}
