package delivery

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"carillon/internal/app/pubsub"
)

// serveFromHandler writes a stream from the handler's own goroutine, for connections that cannot leave net/http: HTTP/2
// and HTTP/1.0. It returns when the stream has ended, and no error.
func (t *Transport) serveFromHandler(w http.ResponseWriter, r *http.Request, b body, stream *pubsub.Stream, observer Observer) error {
	w.WriteHeader(http.StatusOK)
	if u, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		// Gin's writer flushes without an error result, so a failed write would go unnoticed. It writes its head late.
		if late, ok := w.(interface{ WriteHeaderNow() }); ok {
			late.WriteHeaderNow()
		}
		w = u.Unwrap()
	}
	opening := b.first(t.Opening(stream))
	out := &writer{
		server:  t.server,
		w:       w,
		control: http.NewResponseController(w),
		mailbox: mailbox{observer: observer, body: b},
		woken:   make(chan struct{}, 1),
	}
	out.start = func() { out.woken <- struct{}{} }
	if err := out.write([][]byte{opening}); err != nil {
		observer.Ended(Summary{Bytes: out.bytes, Reason: reasonOf(err)})
		return nil
	}
	open := &t.counters.open[writtenPath(r)]
	open.Add(1)
	stream.Attach(&out.mailbox)
	out.run(r.Context())
	open.Add(-1)
	out.mu.Lock()
	defer out.mu.Unlock()
	observer.Ended(Summary{Events: out.events, Bytes: out.bytes, Reason: out.ended})
	return nil
}

// writer moves what its mailbox holds to the client.
type writer struct {
	mailbox

	server  *Server
	w       http.ResponseWriter
	control *http.ResponseController
	woken   chan struct{}
	bytes   int64
}

// run writes until the stream's shard has closed the mailbox. It asks the shard to do so when the client leaves or a
// write fails.
func (w *writer) run(ctx context.Context) {
	gone := ctx.Done()
	for {
		// A deadline that passes between two writes would reset an HTTP/2 stream.
		_ = w.control.SetWriteDeadline(time.Time{})
		select {
		case <-w.woken:
		case <-gone:
			gone = nil
			w.body.stream.End(pubsub.EndGone)
			continue
		}
		var frames [][]byte
		for more := true; more; {
			var ended bool
			if frames, ended, more = w.take(frames); gone != nil && len(frames) > 0 {
				if err := w.write(frames); err != nil {
					gone = nil
					w.body.stream.End(reasonOf(err))
				}
			}
			if ended {
				return
			}
		}
	}
}

// write writes and flushes frames, with a deadline for each write.
func (w *writer) write(frames [][]byte) error {
	timeout := w.server.cfg.WriteTimeout
	for _, frame := range frames {
		n, err := WriteSteadily(w.w, frame, timeout)
		w.bytes += int64(n)
		w.body.transport.counters.bytes.Add(int64(n))
		if err != nil {
			return err
		}
	}
	// Only the writers of tests have no deadlines; real connections do.
	_ = w.control.SetWriteDeadline(time.Now().Add(timeout))
	return w.control.Flush()
}

// maxWrite is how much is written under one deadline: a client that takes a large event slowly but steadily stays.
const maxWrite = 16 << 10

// WriteSteadily writes to a client that must take some of it within each timeout, however much there is. The deadline of
// the last write stays set.
func WriteSteadily(w http.ResponseWriter, content []byte, timeout time.Duration) (written int, err error) {
	control := http.NewResponseController(w)
	for piece := range slices.Chunk(content, maxWrite) {
		_ = control.SetWriteDeadline(time.Now().Add(timeout))
		n, err := w.Write(piece)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// reasonOf returns the reason for a failed write: the client took nothing for too long, or it has left.
func reasonOf(err error) pubsub.EndReason {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) {
		return pubsub.EndDead
	}
	return pubsub.EndGone
}
