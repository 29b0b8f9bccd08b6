package sse

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"carillon/internal/app/pubsub"
)

// taker takes plain HTTP/1.1 connections over from net/http.
type taker struct{ poller *poller }

func (t *taker) open() (err error) {
	t.poller, err = newPoller()
	return err
}

func (t *taker) run(ctx context.Context) error {
	if t.poller == nil {
		<-ctx.Done()
		return nil
	}
	return t.poller.run(ctx)
}

// takes reports whether the request's connection can be taken over: below TLS and HTTP/2 there is more state than a
// descriptor, and HTTP/1.0 has no chunks.
func (t *taker) takes(r *http.Request) bool {
	return t.poller != nil && r.TLS == nil && r.ProtoMajor == 1 && r.ProtoMinor == 1
}

// takeOver moves the connection's descriptor out of Go's network poller and leaves the stream to its shard, with the head
// and the opening to send first. It answers [http.ErrNotSupported] when nothing has happened to the connection yet.
func (s *Server) takeOver(w http.ResponseWriter, code coding, stream *pubsub.Stream, seen Observer) error {
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
	head := headOf(header)
	c := &conn{
		fd: fd, coding: code, server: s, stream: stream, seen: seen,
		rest: appendChunk(head, code.open(s.opening(stream))),
		head: len(head),
	}
	if err := s.taker.poller.add(c); err != nil {
		_ = unix.Close(fd)
		return err
	}
	s.tally.open[takenOver].Add(1)
	stream.Attach(c)
	return nil
}

// headOf is a response's head as net/http would have written it (RFC 9112, 4).
func headOf(header http.Header) []byte {
	var b bytes.Buffer
	b.Grow(1024) // the opening will stand behind it
	b.WriteString("HTTP/1.1 200 OK\r\n")
	_ = header.Write(&b) // a buffer takes everything
	b.WriteString("Date: ")
	b.WriteString(time.Now().UTC().Format(http.TimeFormat))
	b.WriteString("\r\nTransfer-Encoding: chunked\r\n\r\n")
	return b.Bytes()
}

// duplicate makes a descriptor of our own for a connection. Closing the original takes it out of Go's network poller,
// with the memory that costs; the connection lives on.
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
