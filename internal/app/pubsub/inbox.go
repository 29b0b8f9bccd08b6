package pubsub

import "time"

// message is a request to a shard. A stream has at most one message of each kind waiting, and the sender of another
// kind waits for its result, so the number of streams bounds the inbox. Only [Engine.Attend] and [Engine.Unattend] do not
// wait; their caller has one of each under way for a topic.
type message struct {
	kind   messageKind
	stream *Stream
	why    EndReason     // of msgEnd
	items  []*Item       // of msgPage
	err    error         // of msgPage
	drain  time.Duration // of msgDrain
	query  func()        // of msgQuery

	shardCursor uint64 // of msgPage: there is nothing more up to this offset if the page is empty
	generation  uint64 // of msgPage: the shard's generation when the page was requested
}

type messageKind uint8

const (
	msgOpen   messageKind = iota
	msgReady              // the sink can take more
	msgNotify             // there may be a notice for the stream
	msgEnd
	msgPage // a page of history was read for the stream, or for the shard when there is none
	msgDrain
	msgQuery // calls a function in the shard's goroutine
)

// post adds a message to the inbox. It reports false when the shard has stopped.
func (s *shard) post(m message) bool {
	posted := s.enqueue(m)
	if posted {
		s.wake()
	}
	return posted
}

// enqueue is post for a caller that wakes the shard once after several messages.
func (s *shard) enqueue(m message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.inbox = append(s.inbox, m)
	return true
}

// wake wakes the shard's goroutine if it waits. It does not block.
func (s *shard) wake() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// receive handles the messages in the inbox.
func (s *shard) receive() {
	s.mu.Lock()
	s.inbox, s.spareInbox = s.spareInbox[:0], s.inbox
	s.mu.Unlock()
	for i := range s.spareInbox {
		m := s.spareInbox[i]
		s.spareInbox[i] = message{}
		switch m.kind {
		case msgOpen:
			s.open(m.stream)
		case msgReady:
			m.stream.readyPosted.Store(false)
			s.ready(m.stream)
		case msgNotify:
			m.stream.notifyPosted.Store(false)
			s.notify(m.stream)
		case msgEnd:
			s.end(m.stream, m.why)
		case msgPage:
			s.reader.received()
			switch {
			case m.generation != s.generation: // of a log that was replaced
			case m.stream == nil:
				s.receiveBacklog(m.items, m.err)
			default:
				s.receivePage(m.stream, m.items, m.err, m.shardCursor)
			}
		case msgDrain:
			s.drain.begin(time.Now(), m.drain, len(s.streams))
		case msgQuery:
			m.query()
		}
	}
	if cap(s.spareInbox) > 4096 {
		s.spareInbox = nil // frees the memory that many openings at once needed
	}
}
