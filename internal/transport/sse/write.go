package sse

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// write serves a stream from the handler's own goroutine, for connections that cannot be taken over: TLS, HTTP/2,
// HTTP/1.0, and platforms without a poller.
func (s *Server) write(w http.ResponseWriter, r *http.Request, code coding, stream *pubsub.Stream, seen Observer) {
	w.WriteHeader(http.StatusOK)
	if u, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		// Gin's writer flushes without an error result, so a failed write would go unnoticed. It writes its head late.
		if late, ok := w.(interface{ WriteHeaderNow() }); ok {
			late.WriteHeaderNow()
		}
		w = u.Unwrap()
	}
	opening := code.open(s.opening(stream))
	out := &writer{
		server:  s,
		w:       w,
		control: http.NewResponseController(w),
		mailbox: mailbox{stream: stream, seen: seen, coding: code, limit: s.cfg.MaxBatchBytes, farewell: s.farewell, wake: make(chan struct{}, 1)},
	}
	if err := out.put([][]byte{opening}); err != nil {
		seen.Ended(Summary{Bytes: out.bytes, Reason: reasonOf(err)})
		return
	}
	open := &s.tally.open[wayOf(r)]
	open.Add(1)
	stream.Attach(&out.mailbox)
	out.run(r.Context())
	open.Add(-1)
	out.mu.Lock()
	defer out.mu.Unlock()
	seen.Ended(Summary{Events: out.events, Bytes: out.bytes, Reason: out.why})
}

// writer moves what its mailbox holds to the client.
type writer struct {
	mailbox

	server  *Server
	w       http.ResponseWriter
	control *http.ResponseController
	bytes   int64
}

// run writes until the stream's shard has closed the mailbox. A client that leaves, or a write that fails, asks the
// shard to do so.
func (w *writer) run(ctx context.Context) {
	gone := ctx.Done()
	for {
		select {
		case <-w.wake:
		case <-gone:
			gone = nil
			w.stream.End(pubsub.EndGone)
			continue
		}
		frames, why := w.empty()
		if gone != nil {
			if err := w.put(frames); err != nil {
				gone = nil
				w.stream.End(reasonOf(err))
			}
		}
		if why != "" {
			return
		}
	}
}

// maxWrite is how much is written under one deadline: a client that takes a large event slowly but steadily stays.
const maxWrite = 16 << 10

// put writes and flushes, with a deadline for each write.
func (w *writer) put(frames [][]byte) error {
	for _, frame := range frames {
		for piece := range slices.Chunk(frame, maxWrite) {
			w.hurry()
			n, err := w.w.Write(piece)
			w.bytes += int64(n)
			w.server.tally.bytes.Add(int64(n))
			if err != nil {
				return err
			}
		}
	}
	w.hurry()
	return w.control.Flush()
}

func (w *writer) hurry() {
	// A writer without deadlines is one of a test; a real connection has them.
	_ = w.control.SetWriteDeadline(time.Now().Add(w.server.cfg.WriteTimeout))
}

// reasonOf tells from a failed write whether the client took nothing for too long or has left.
func reasonOf(err error) pubsub.EndReason {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return pubsub.EndDead
	}
	return pubsub.EndGone
}

// mailbox is the sink between a stream's shard and the goroutine that writes it. It holds at most limit bytes of
// frames, or one frame; the frames are shared with all other streams.
type mailbox struct {
	stream   *pubsub.Stream
	seen     Observer
	limit    int
	farewell func(pubsub.EndReason) []byte
	wake     chan struct{}

	mu      sync.Mutex
	coding  coding
	frames  [][]byte
	spare   [][]byte // the array of the frames that were taken out last
	held    int
	refused bool // the shard waits to be told that there is room
	events  int64
	why     pubsub.EndReason
}

// Send takes items while there is room.
func (m *mailbox) Send(items []*pubsub.Item) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, item := range items {
		if m.held >= m.limit {
			m.refused = true
			return i, nil
		}
		chunk := m.coding.chunk(item)
		if len(chunk) == 0 {
			return i, ErrUnencodable
		}
		m.hold(contentOf(chunk))
		m.coding.took(items[i : i+1])
		m.events++
	}
	return len(items), nil
}

// Flush does nothing: the writing goroutine goes on by itself.
func (m *mailbox) Flush() error { return nil }

// Heartbeat leaves a heartbeat, unless something is still waiting to be written anyway and there is nothing to tell.
func (m *mailbox) Heartbeat(at event.Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.frames) > 0 && at.IsZero() {
		return nil
	}
	m.hold(m.coding.own(AppendBeat(nil, at)))
	return nil
}

// Reset leaves word that events are missing.
func (m *mailbox) Reset(r pubsub.Reset) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen.Reset(r)
	m.hold(m.coding.own(AppendReset(nil, r)))
	return nil
}

// Close tells the writing goroutine to finish.
func (m *mailbox) Close(why pubsub.EndReason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.why = why
	if !lost(why) {
		m.frames = append(m.frames, m.coding.close(m.farewell(why)))
	}
	m.nudge()
}

func (m *mailbox) hold(frame []byte) {
	m.frames = append(m.frames, frame)
	m.held += len(frame)
	m.nudge()
}

func (m *mailbox) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// empty takes out what is held, and why the stream ended if it has.
func (m *mailbox) empty() ([][]byte, pubsub.EndReason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	frames := m.frames
	clear(m.spare)
	m.frames, m.spare, m.held = m.spare[:0], frames, 0
	if m.refused {
		m.refused = false
		m.stream.Ready()
	}
	return frames, m.why
}
