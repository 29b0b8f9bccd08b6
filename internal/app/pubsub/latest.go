package pubsub

import (
	"slices"
	"strings"
	"sync"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// latest finds the newest event of each topic that the log keeps. It is a trie of the segments of topics, so that a
// look-up costs what it finds and not what the log keeps. Its topics are also a list in the order of their offsets, so
// that those whose event was trimmed are removed without a search.
type latest struct {
	mu     sync.Mutex
	epoch  event.Epoch
	begin  uint64 // the log was followed from this offset
	head   uint64 // its newest offset then
	upTo   uint64 // the index has the events up to this offset, once it is complete
	root   latestNode
	oldest *latestNode
	newest *latestNode
	topics int
	bytes  int64 // about

	// complete is closed, and then nil, when what the log kept when the index was started has been added: by the follower
	// after begin, by completeWith before.
	complete chan struct{}
	hasOlder bool
}

// latestNode is a segment of topics. It is in the list if there is an event of the topic that ends here.
type latestNode struct {
	parent   *latestNode
	segment  string
	children map[string]*latestNode
	offset   uint64 // of the newest event; 0 if there is none
	older    *latestNode
	newer    *latestNode
}

// The memory that a node takes beside its segment, with its place in a map, and that of a map of children.
const (
	latestNodeBytes     = 144
	latestChildrenBytes = 256
)

// restart empties the index for a log that is followed from an offset and has a newest one. The index must be completed
// with what the log kept up to where it is followed from, even if that is nothing.
func (l *latest) restart(epoch event.Epoch, begin, head uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch, l.begin, l.upTo, l.root, l.oldest, l.newest, l.topics, l.bytes = epoch, begin, begin, latestNode{}, nil, nil, 0, 0
	l.head, l.hasOlder = head, false
	if l.complete == nil {
		l.complete = make(chan struct{})
	}
}

// checkComplete makes the index complete once it is.
func (l *latest) checkComplete() {
	if l.complete != nil && l.hasOlder && l.upTo >= l.head {
		close(l.complete)
		l.complete = nil
	}
}

// start returns the log that the index is of, and the offset from which it was followed.
func (l *latest) start() event.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return event.Position{Epoch: l.epoch, Offset: l.begin}
}

// add adds entries that come after all that were added, and notes that there are no others up to an offset.
func (l *latest) add(entries []event.Entry, upTo uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range entries {
		for _, topic := range entries[i].Event.Topics {
			l.set(topic.String(), entries[i].Position.Offset)
		}
	}
	l.upTo = upTo
	l.checkComplete()
}

// set makes an offset that is greater than all others the newest of a topic.
func (l *latest) set(topic string, offset uint64) {
	n := l.node(topic)
	if n.offset > 0 {
		l.unlink(n)
	} else {
		l.topics++
	}
	n.offset, n.older, n.newer = offset, l.newest, nil
	if l.newest != nil {
		l.newest.newer = n
	} else {
		l.oldest = n
	}
	l.newest = n
}

// completeWith adds an index of what the log kept up to where it is followed from. It does nothing if the index was restarted for
// another log meanwhile.
func (l *latest) completeWith(older *latest, epoch event.Epoch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch != epoch || l.hasOlder {
		return
	}
	for from := older.newest; from != nil; from = from.older {
		n := l.node(from.topic())
		if n.offset > 0 {
			continue // there is a newer one
		}
		l.topics++
		n.offset, n.newer, n.older = from.offset, l.oldest, nil
		if l.oldest != nil {
			l.oldest.older = n
		} else {
			l.newest = n
		}
		l.oldest = n
	}
	l.hasOlder = true
	l.checkComplete()
}

// trim removes the topics whose newest event the log no longer keeps.
func (l *latest) trim(kept Extent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for kept.Epoch == l.epoch && l.oldest != nil && l.oldest.offset < kept.Oldest {
		n := l.oldest
		l.unlink(n)
		n.offset = 0
		l.topics--
		l.prune(n)
	}
}

// find returns the offsets of the newest events of the topics that any of the patterns selects and the grant covers,
// sorted, and the position up to which they are the newest. While the index is not complete, it returns a channel that
// is closed when it is.
func (l *latest) find(patterns []event.Pattern, grant access.Grant, kept Extent) (offsets []uint64, upTo event.Position, wait <-chan struct{}) {
	offsets, upTo, wait = l.collect(patterns, grant, kept)
	slices.Sort(offsets)
	return slices.Compact(offsets), upTo, wait
}

func (l *latest) collect(patterns []event.Pattern, grant access.Grant, kept Extent) (offsets []uint64, upTo event.Position, wait <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.complete != nil {
		return nil, event.Position{}, l.complete
	}
	oldest := uint64(1)
	if kept.Epoch == l.epoch {
		oldest = max(oldest, kept.Oldest)
	}
	found := func(n *latestNode) {
		if n.offset >= oldest && (grant.All() || grant.Allows(event.MustTopic(n.topic()))) {
			offsets = append(offsets, n.offset)
		}
	}
	for _, p := range patterns {
		l.root.match(p.String(), found)
	}
	return offsets, event.Position{Epoch: l.epoch, Offset: l.upTo}, nil
}

// match calls found with the nodes below this one whose topics a pattern selects.
func (n *latestNode) match(pattern string, found func(*latestNode)) {
	segment, rest, more := strings.Cut(pattern, "/")
	next := func(child *latestNode) {
		if more {
			child.match(rest, found)
		} else {
			found(child)
		}
	}
	switch segment {
	case event.AnyRest:
		for _, child := range n.children {
			found(child)
			child.match(event.AnyRest, found)
		}
	case event.AnySegment:
		for _, child := range n.children {
			next(child)
		}
	default:
		if child := n.children[segment]; child != nil {
			next(child)
		}
	}
}

// node returns the node of a topic, which it makes if there is none.
func (l *latest) node(topic string) *latestNode {
	n := &l.root
	for rest, more := topic, true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		child := n.children[segment]
		if child == nil {
			child = &latestNode{parent: n, segment: strings.Clone(segment)} // the event must not be kept for its topic
			if n.children == nil {
				n.children = make(map[string]*latestNode)
				l.bytes += latestChildrenBytes
			}
			n.children[child.segment] = child
			l.bytes += latestNodeBytes + int64(len(segment))
		}
		n = child
	}
	return n
}

// prune removes a node, and those above it, that neither have an event nor lead to one.
func (l *latest) prune(n *latestNode) {
	for n.parent != nil && n.offset == 0 && len(n.children) == 0 {
		parent := n.parent
		delete(parent.children, n.segment)
		l.bytes -= latestNodeBytes + int64(len(n.segment))
		if len(parent.children) == 0 {
			parent.children = nil
			l.bytes -= latestChildrenBytes
		}
		n = parent
	}
}

// unlink removes a node from the list.
func (l *latest) unlink(n *latestNode) {
	if n.older != nil {
		n.older.newer = n.newer
	} else {
		l.oldest = n.newer
	}
	if n.newer != nil {
		n.newer.older = n.older
	} else {
		l.newest = n.older
	}
	n.older, n.newer = nil, nil
}

// topic returns the topic that ends at a node.
func (n *latestNode) topic() string {
	if n.parent == nil || n.parent.parent == nil {
		return n.segment
	}
	segments := []string{}
	for ; n.parent != nil; n = n.parent {
		segments = append(segments, n.segment)
	}
	slices.Reverse(segments)
	return strings.Join(segments, "/")
}

// LatestInfo is what the index of the newest events holds.
type LatestInfo struct {
	Topics int
	Bytes  int64 // about
}

func (l *latest) info() LatestInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LatestInfo{Topics: l.topics, Bytes: l.bytes}
}
