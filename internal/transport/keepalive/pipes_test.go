package keepalive_test

import (
	"net"
	"net/http"
	"testing"
)

// pipes is a listener of connections in memory, whose deadlines follow the fake time of a test.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func inMemory(t *testing.T, handler http.HandlerFunc) (*server, *pipes) {
	p := &pipes{make(chan net.Conn), make(chan struct{})}
	return serve(t, p, handler, true), p
}

func (p *pipes) dial(t *testing.T) *client {
	here, there := net.Pipe()
	p.conns <- there
	return greet(newClient(t, here))
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}
