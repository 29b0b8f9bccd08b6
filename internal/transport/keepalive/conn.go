package keepalive

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	// maxHead is the longest head of a request that is served here, in bytes.
	maxHead = 4096
	// atLeast is how many bytes of a request must have arrived before net/http begins to read it.
	atLeast = 4
	// maxUnread is how much of a body that the handler did not read is read in order to keep the connection: as net/http.
	maxUnread = 256 << 10
	// lingerTime is how long a client may take to read the answer to a body that is not read, before the connection is
	// closed and the answer may be lost (RFC 9112, 9.6): as net/http.
	lingerTime = 500 * time.Millisecond
)

// The states of a connection. One that is idle may be closed by Shutdown; one that serves a request may not.
const (
	busy int32 = iota
	idle
	stopped
)

// conn is a persistent connection that was hijacked. Its goroutine owns everything but the state.
type conn struct {
	server *Server
	net    net.Conn
	in     *bufio.Reader
	remote string
	times  int // how often it was given back
	state  atomic.Int32

	ctx    context.Context //nolint:containedctx // the connection's, of which those of its requests are made
	cancel context.CancelFunc

	body     *body // the current request's
	response response
}

// newConn returns the connection of a request, with what net/http has read from it beyond the request's head.
func newConn(s *Server, hijacked net.Conn, buffered *bufio.Reader, r *http.Request) *conn {
	unread, _ := buffered.Peek(buffered.Buffered()) // this much is there
	c := &conn{server: s, net: whole(hijacked), remote: r.RemoteAddr, times: usageOf(r.Context()).times}
	c.in = bufio.NewReaderSize(&returned{Conn: c.net, unread: bytes.Clone(unread)}, maxHead)
	// The context of the request ends when net/http's part does. Its values are those of the connection.
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	c.response = response{conn: c, header: make(http.Header)}
	return c
}

// serve serves a request and those that follow until the connection ends or is given back.
func (c *conn) serve(r *http.Request) {
	defer c.server.remove(c)
	defer c.cancel()
	givenBack := false
	defer func() {
		if !givenBack { // also when a handler panics or calls runtime.Goexit
			_ = c.net.Close() // whatever it returns, the connection has ended
		}
	}()
	defer c.logPanic()
	for r != nil && c.serveOne(r) {
		r, givenBack = c.next()
	}
}

// logPanic stops a panic, which is logged as net/http would.
func (c *conn) logPanic() {
	reason := recover()
	if err, ok := reason.(error); reason == nil || ok && errors.Is(err, http.ErrAbortHandler) {
		return
	}
	c.server.cfg.Logger.Error("panic", zap.String("peer", c.remote), zap.Any("reason", reason), zap.ByteString("stack", debug.Stack()))
}

// serveOne serves a request and reports whether the connection can be used further.
func (c *conn) serveOne(r *http.Request) (again bool) {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	c.body = &body{in: c.in, left: r.ContentLength, lost: cancel}
	c.response.reset()
	r = r.WithContext(ctx)
	r.RemoteAddr = c.remote
	if r.ContentLength > 0 { // else it is http.NoBody, which handlers may ask for
		r.Body = c.body
	}
	c.server.handler.ServeHTTP(&c.response, r)
	return c.finish()
}

// finish sends the response to a request and reports whether the connection can be used further.
func (c *conn) finish() (again bool) {
	if c.response.status == 0 {
		c.response.WriteHeader(http.StatusOK)
	}
	// A client need not send the rest of a body for a response that is the last one.
	unread := c.last() && !c.body.arrived() || !c.body.discard()
	closing := unread || c.last()
	if err := c.response.send(closing); err != nil {
		return false
	}
	if unread {
		c.linger()
	}
	return !closing
}

// last reports whether the connection is to be closed after the response.
func (c *conn) last() bool { return c.server.stopping.Load() || c.response.close }

// linger waits until the client has read the response and closed the connection, so that closing it with unread input
// does not destroy the response.
func (c *conn) linger() {
	if half, ok := c.net.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // where it fails, reading fails too
	}
	until := time.Now().Add(lingerTime)
	_ = c.net.SetReadDeadline(until)
	_ = c.body.Close() // it returns no error
	if _, err := io.CopyN(io.Discard, c.net, maxUnread); err != nil {
		return
	}
	select { // the client sends more than is read
	case <-time.After(time.Until(until)):
	case <-c.ctx.Done():
	}
}

// next waits for the next request. It returns nil when the connection has ended or was given back.
func (c *conn) next() (r *http.Request, givenBack bool) {
	if c.in.Buffered() < atLeast && !c.await() {
		return nil, false
	}
	_, _ = c.in.Discard(c.lineEnds())
	head, _ := c.in.Peek(c.in.Buffered())
	r, n := parseHead(head)
	if r == nil {
		c.giveBack(head)
		return nil, true
	}
	_, _ = c.in.Discard(n) // they are buffered
	if int64(c.in.Buffered()) < r.ContentLength {
		_ = c.net.SetReadDeadline(time.Time{}) // that of an idle connection; the handler sets one for the body
	}
	return r, false
}

// lineEnds returns how many line ends stand before the next request: those that old clients send after the body of a POST
// (RFC 9112, 2.2), as net/http counts them.
func (c *conn) lineEnds() int {
	first, _ := c.in.Peek(atLeast)
	return len(first) - len(bytes.TrimLeft(first, "\r\n"))
}

// await waits until the client sends the beginning of a request and reports whether it has.
func (c *conn) await() bool {
	_ = c.net.SetReadDeadline(time.Now().Add(c.server.cfg.IdleTimeout))
	c.state.Store(idle)
	if c.server.stopping.Load() {
		return false // Shutdown may have found it busy
	}
	_, err := c.in.Peek(atLeast)
	return c.state.CompareAndSwap(idle, busy) && err == nil
}

// giveBack leaves the connection to net/http, with bytes that were read but not served.
func (c *conn) giveBack(unread []byte) {
	_ = c.net.SetDeadline(time.Time{})
	c.server.back.give(&returned{Conn: c.net, unread: bytes.Clone(unread), times: c.times + 1})
}

// stopIfIdle closes the connection unless it serves a request, after which it is closed anyway.
func (c *conn) stopIfIdle() {
	if c.state.CompareAndSwap(idle, stopped) {
		_ = c.net.Close()
	}
}

// abort ends the context of the connection's requests and closes it.
func (c *conn) abort() {
	c.cancel()
	_ = c.net.Close()
}
