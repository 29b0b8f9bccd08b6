package delivery

import (
	"sync"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// mailbox is the sink between a stream's shard and the goroutine that writes it. It holds at most stream.max_batch_bytes
// of frames, or one frame; the frames are shared with all other streams. An idle stream's holds none.
type mailbox struct {
	observer Observer
	chunked  bool   // the frames are chunks
	start    func() // makes a goroutine write; called with mu locked, and only while none does

	mu      sync.Mutex
	body    body
	frames  [][]byte
	size    int  // of the frames, in bytes
	full    bool // the shard waits for [pubsub.Stream.Ready]
	writing bool // a goroutine writes, until take has nothing for it
	events  int64
	ended   pubsub.EndReason // "" while the stream runs
}

// Send takes items while there is room.
func (m *mailbox) Send(items []*pubsub.Item) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	limit := m.body.transport.server.cfg.MaxBatchBytes
	for i, item := range items {
		if m.size >= limit {
			m.full = true
			return i, nil
		}
		chunk := m.body.chunk(item)
		if len(chunk) == 0 {
			return i, errUnencodable
		}
		if !m.chunked {
			chunk = contentOf(chunk)
		}
		m.add(chunk)
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
	m.add(m.frame(m.body.next(m.body.transport.codec.AppendHeartbeat(nil, at))))
	return nil
}

// Reset adds that events are missing.
func (m *mailbox) Reset(r pubsub.Reset) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observer.Reset(r)
	m.add(m.frame(m.body.next(m.body.transport.codec.AppendReset(nil, r))))
	return nil
}

// Close makes the writing goroutine finish.
func (m *mailbox) Close(reason pubsub.EndReason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = reason
	if !isLost(reason) {
		last := m.frame(m.body.last(m.body.transport.Goaway(reason)))
		if m.chunked {
			last = append(last, lastChunk...)
		}
		m.frames = append(m.frames, last)
	}
	m.notify()
}

// frame returns content as it is written.
func (m *mailbox) frame(content []byte) []byte {
	if m.chunked {
		return appendChunk(nil, content)
	}
	return content
}

func (m *mailbox) add(frame []byte) {
	m.frames = append(m.frames, frame)
	m.size += len(frame)
	m.notify()
}

func (m *mailbox) notify() {
	if !m.writing {
		m.writing = true
		m.start()
	}
}

// keptFrames is for how many frames an idle mailbox keeps the array.
const keptFrames = 4

// take removes and returns the frames, and reports whether they are the stream's last ones. If more is false there was
// nothing, and the writing goroutine stops until it is started again. The frames that were taken out before must have
// been written; their array is reused.
func (m *mailbox) take(written [][]byte) (frames [][]byte, ended, more bool) {
	clear(written)
	m.mu.Lock()
	defer m.mu.Unlock()
	frames, ended = m.frames, m.ended != ""
	m.frames, m.size = nil, 0
	if cap(written) <= keptFrames {
		m.frames = written[:0]
	}
	if m.full {
		m.full = false
		m.body.stream.Ready()
	}
	if len(frames) == 0 && !ended {
		if cap(m.frames) == 0 {
			m.frames = frames
		}
		m.writing = false
	}
	return frames, ended, m.writing
}
