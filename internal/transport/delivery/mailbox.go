package delivery

import (
	"sync"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// mailbox is the sink between a stream's shard and the goroutine that writes it. It holds at most limit bytes of
// frames, or one frame; the frames are shared with all other streams.
type mailbox struct {
	observer Observer
	limit    int
	wake     chan struct{}

	mu     sync.Mutex
	body   body
	frames [][]byte
	spare  [][]byte // the array of the frames that were taken out last
	size   int      // of the frames, in bytes
	full   bool     // the shard waits for [pubsub.Stream.Ready]
	events int64
	ended  pubsub.EndReason // "" while the stream runs
}

// Send takes items while there is room.
func (m *mailbox) Send(items []*pubsub.Item) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, item := range items {
		if m.size >= m.limit {
			m.full = true
			return i, nil
		}
		chunk := m.body.chunk(item)
		if len(chunk) == 0 {
			return i, errUnencodable
		}
		m.add(contentOf(chunk))
		m.body.add(items[i : i+1])
		m.events++
	}
	return len(items), nil
}

// Flush does nothing: the writing goroutine needs no call to continue.
func (m *mailbox) Flush() error { return nil }

// Heartbeat adds a heartbeat, unless something is still waiting to be written anyway and there is no position to send.
func (m *mailbox) Heartbeat(at event.Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.frames) > 0 && at.IsZero() {
		return nil
	}
	m.add(m.body.next(m.body.transport.codec.AppendHeartbeat(nil, at)))
	return nil
}

// Reset adds that events are missing.
func (m *mailbox) Reset(r pubsub.Reset) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observer.Reset(r)
	m.add(m.body.next(m.body.transport.codec.AppendReset(nil, r)))
	return nil
}

// Close makes the writing goroutine finish.
func (m *mailbox) Close(reason pubsub.EndReason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = reason
	if !isLost(reason) {
		m.frames = append(m.frames, m.body.last(m.body.transport.Goaway(reason)))
	}
	m.notify()
}

func (m *mailbox) add(frame []byte) {
	m.frames = append(m.frames, frame)
	m.size += len(frame)
	m.notify()
}

func (m *mailbox) notify() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take removes and returns the frames, and the reason why the stream ended if it has.
func (m *mailbox) take() ([][]byte, pubsub.EndReason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	frames := m.frames
	clear(m.spare)
	m.frames, m.spare, m.size = m.spare[:0], frames, 0
	if m.full {
		m.full = false
		m.body.stream.Ready()
	}
	return frames, m.ended
}
