package delivery

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"golang.org/x/sys/unix"

	"carillon/internal/app/pubsub"
)

// handover takes plain HTTP/1.1 connections over from net/http.
type handover struct{ poller *poller }

func (h *handover) open() (err error) {
	h.poller, err = newPoller()
	return err
}

func (h *handover) run(ctx context.Context) error {
	if h.poller == nil {
		<-ctx.Done()
		return nil
	}
	return h.poller.run(ctx)
}

// supports reports whether the request's connection can be taken over: TLS and HTTP/2 keep more state than a descriptor,
// and HTTP/1.0 has no chunks.
func (h *handover) supports(r *http.Request) bool {
	return h.poller != nil && r.TLS == nil && r.ProtoMajor == 1 && r.ProtoMinor == 1
}

// takeOver moves the connection's descriptor out of Go's network poller and leaves the stream to its shard, with the head
// and the opening to send first. It returns [http.ErrNotSupported] when nothing has happened to the connection yet.
func (t *Transport) takeOver(w http.ResponseWriter, _ *http.Request, b body, stream *pubsub.Stream, observer Observer) error {
	header := w.Header()
	hijacked, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fmt.Errorf("taking the connection over: %w", http.ErrNotSupported)
	}
	defer hijacked.Close() // the descriptor below is another one for the same connection
	fd, err := duplicate(hijacked)
	if err != nil {
		return err
	}
	head := responseHead(header)
	c := &conn{fd: fd, body: b, observer: observer, unsentHead: len(head)}
	c.unsent = appendChunk(head, c.body.first(t.Opening(stream)))
	if err := t.server.handover.poller.add(c); err != nil {
		_ = unix.Close(fd)
		return err
	}
	t.counters.open[takenOver].Add(1)
	stream.Attach(c)
	return nil
}

// duplicate returns a descriptor of our own for a connection. Closing the original takes it out of Go's network poller,
// with the memory that costs; the connection stays open.
func duplicate(c net.Conn) (int, error) {
	raw, ok := c.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("taking over a %T, which has no descriptor", c)
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("reaching the descriptor: %w", err)
	}
	fd := -1
	var dupErr error
	if err := control.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return 0, fmt.Errorf("reaching the descriptor: %w", err)
	}
	if dupErr != nil {
		return 0, fmt.Errorf("duplicating the descriptor: %w", dupErr)
	}
	return fd, nil
}
