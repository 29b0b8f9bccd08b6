package keepalive

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
)

// returned is a connection of which some bytes have been read already. It reads them again.
type returned struct {
	net.Conn

	unread []byte
	times  int // how often the connection has been given back
}

// usage is what a connection has been used for while net/http serves it.
type usage struct {
	times int  // how often it has been given back
	used  bool // it has sent an ordinary request; guarded by net/http, which serves one request of a connection at a time
}

// usageKey is the key of the usage in the context of a connection.
type usageKey struct{}

// ConnContext is to be called by that of the [http.Server]. Connections without it stay with the http.Server.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	u := &usage{}
	if r, ok := c.(*returned); ok {
		u.times, u.used = r.times, true
	}
	return context.WithValue(ctx, usageKey{}, u)
}

// usageOf returns the usage of the connection of a request with this context, and nil if it has none.
func usageOf(ctx context.Context) *usage {
	u, _ := ctx.Value(usageKey{}).(*usage)
	return u
}

// worthHijacking reports whether an ordinary request's connection is to be hijacked. To hijack it costs as much as some
// requests, so its first one is left to net/http: many clients open a connection for each.
func (u *usage) worthHijacking() bool {
	if u == nil || u.times >= maxReturns {
		return false
	}
	used := u.used
	u.used = true
	return used
}

// whole returns the connection itself if nothing of it is unread.
func whole(c net.Conn) net.Conn {
	if r, ok := c.(*returned); ok && len(r.unread) == 0 {
		return r.Conn
	}
	return c
}

// Read implements [net.Conn].
func (r *returned) Read(p []byte) (int, error) {
	if len(r.unread) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.unread)
	if r.unread = r.unread[n:]; len(r.unread) == 0 {
		r.unread = nil
	}
	return n, nil
}

// NetConn returns the connection without the bytes that are to be read again.
func (r *returned) NetConn() net.Conn { return r.Conn }

// SyscallConn implements [syscall.Conn].
func (r *returned) SyscallConn() (syscall.RawConn, error) {
	if c, ok := r.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// CloseWrite ends the sending half of the connection.
func (r *returned) CloseWrite() error {
	if c, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// returns is a listener whose connections are those that are given to it.
type returns struct {
	conns  chan net.Conn
	close  sync.Once
	closed chan struct{}
}

func newReturns() *returns {
	return &returns{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// give passes a connection to Accept. It closes the connection when nobody will accept it.
func (l *returns) give(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.closed:
		_ = c.Close()
	}
}

// Accept implements [net.Listener].
func (l *returns) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l *returns) Close() error {
	l.close.Do(func() { close(l.closed) })
	return nil
}

// Addr implements [net.Listener]. The connections were accepted elsewhere.
func (l *returns) Addr() net.Addr { return &net.TCPAddr{} }
