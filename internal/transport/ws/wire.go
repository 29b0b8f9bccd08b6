package ws

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"carillon/internal/app/pubsub"
)

const (
	// maxWrite is how much is written under one deadline: a client that takes a large event slowly but steadily stays.
	maxWrite = 16 << 10
	// maxBuffered is how much is collected before it is written.
	maxBuffered = 64 << 10
	readBuffer  = 4 << 10
)

// wire is the connection under the WebSocket library. It writes what is collected between [wire.cork] and [wire.uncork] in
// one call, sets the deadlines, and knows why the connection failed.
//
// Only the goroutine that writes to the connection waits for the client. Another one that writes meanwhile, which is the
// library's answer to a ping, leaves its bytes to it.
type wire struct {
	net.Conn

	writeTimeout, readTimeout time.Duration

	total    *atomic.Int64 // bytes written to all connections
	written  atomic.Int64
	progress atomic.Int64 // when the client last took or sent something, in nanoseconds since start
	start    time.Time
	inFrame  atomic.Bool // a frame has begun, and its rest must arrive in time
	hasLimit bool        // a read deadline is set; used by the reading goroutine

	deadline time.Time // for writing; used by the goroutine that flushes

	mu        sync.Mutex // guards what follows
	room      sync.Cond
	corked    bool
	flushing  bool
	buffer    []byte
	failure   error // of writing
	readError error
}

// buffers are reused, because idle connections need none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// hijacker makes the WebSocket library use a wire.
type hijacker struct {
	http.ResponseWriter

	wire *wire
}

// Hijack takes the connection over from net/http.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.wire.Conn = conn
	// What the client sent early is in the buffer, which is not kept: it is large.
	early, _ := buffered.Peek(buffered.Reader.Buffered())
	in := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(early)), h.wire), max(readBuffer, len(early)))
	_, _ = in.Peek(len(early)) // so that the library finds it
	return h.wire, bufio.NewReadWriter(in, bufio.NewWriterSize(h.wire, 256)), nil
}

// WriteHeader sends the response's head at once, as far as the writer under it allows.
func (h *hijacker) WriteHeader(status int) {
	h.ResponseWriter.WriteHeader(status)
	if late, ok := h.ResponseWriter.(interface{ WriteHeaderNow() }); ok {
		late.WriteHeaderNow() // Gin's writer
	}
}

func newWire(cfg Config, total *atomic.Int64) *wire {
	w := &wire{writeTimeout: cfg.WriteTimeout, readTimeout: cfg.ReadTimeout, total: total, start: time.Now()}
	w.room.L = &w.mu
	return w
}

// Read reads. Between frames it waits without limit.
func (w *wire) Read(p []byte) (int, error) {
	switch limit := w.inFrame.Load(); {
	case limit && !w.hasLimit:
		_ = w.SetReadDeadline(time.Now().Add(w.readTimeout))
		w.hasLimit = true
	case !limit && w.hasLimit:
		_ = w.SetReadDeadline(time.Time{})
		w.hasLimit = false
	}
	n, err := w.Conn.Read(p)
	if err != nil {
		w.mu.Lock()
		w.readError = err
		w.mu.Unlock()
	} else {
		w.touch()
	}
	return n, err
}

// Write writes, or collects.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.flushing && w.failure == nil && len(w.buffer)+len(p) > maxBuffered && len(w.buffer) > 0 {
		w.room.Wait()
	}
	if w.failure != nil {
		return 0, w.failure
	}
	if w.buffer == nil {
		b, _ := buffers.Get().(*[]byte)
		w.buffer = (*b)[:0]
	}
	w.buffer = append(w.buffer, p...)
	if w.flushing || w.corked && len(w.buffer) < maxBuffered {
		return len(p), nil
	}
	return len(p), w.flush()
}

// cork makes Write collect.
func (w *wire) cork() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = true
}

// uncork writes what was collected.
func (w *wire) uncork() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = false
	if w.flushing {
		return nil
	}
	return w.flush()
}

// flush writes the buffer. The lock, which is held, is not held while the client is waited for.
func (w *wire) flush() error {
	w.flushing = true
	for len(w.buffer) > 0 && w.failure == nil {
		out := w.buffer
		w.buffer = nil
		w.mu.Unlock()
		err := w.send(out)
		if cap(out) <= 2*maxBuffered {
			buffers.Put(&out)
		}
		w.mu.Lock()
		w.failure = err
		w.room.Broadcast()
	}
	w.flushing = false
	w.room.Broadcast()
	return w.failure
}

func (w *wire) send(content []byte) error {
	for len(content) > 0 {
		w.extendDeadline()
		n, err := w.Conn.Write(content[:min(len(content), maxWrite)])
		w.written.Add(int64(n))
		w.total.Add(int64(n))
		if err != nil {
			return err
		}
		w.touch()
		content = content[n:]
	}
	return nil
}

// extendDeadline gives the client at least the write timeout, and at most a quarter more: setting a deadline for every
// write would cost as much as everything else that is not the write itself.
func (w *wire) extendDeadline() {
	now := time.Now()
	if w.deadline.Sub(now) >= w.writeTimeout {
		return
	}
	w.deadline = now.Add(w.writeTimeout + w.writeTimeout/4)
	_ = w.SetWriteDeadline(w.deadline)
}

// touch records that the client is there.
func (w *wire) touch() { w.progress.Store(int64(time.Since(w.start))) }

// silent returns for how long the client has neither taken nor sent anything.
func (w *wire) silent() time.Duration {
	return time.Since(w.start) - time.Duration(w.progress.Load())
}

// reason returns why the connection failed, as far as it did.
func (w *wire) reason() pubsub.EndReason {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, err := range []error{w.failure, w.readError} {
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) {
			return pubsub.EndDead
		}
	}
	return pubsub.EndGone
}
