package ws

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"carillon/internal/app/pubsub"
	"carillon/internal/transport/delivery"
)

// Server serves WebSocket connections. [Server.Run] must be running while it does.
type Server struct {
	name  string
	cfg   Config
	lines *delivery.Transport // whose frames are a JSON event and a line end

	streams, bytes atomic.Int64

	mu      sync.Mutex
	sockets map[*socket]struct{}
	stopped bool
	running sync.WaitGroup
}

// New returns a server, with the name that its streams are counted under. It takes its events from a transport that
// writes lines of JSON, so that each event is encoded once for both.
func New(name string, lines *delivery.Transport, cfg Config) *Server {
	return &Server{name: name, cfg: cfg, lines: lines, sockets: make(map[*socket]struct{})}
}

// Serve upgrades a request's connection and leaves it to goroutines of its own. An error means that there is no
// connection, and that the response was written; the stream that the start has is then not attached.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, host Host, start Start) error {
	wire := newWire(s.cfg, &s.bytes)
	conn, err := websocket.Accept(&hijacker{ResponseWriter: w, wire: wire}, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the caller has checked the origin, by the server's own rules
	})
	if err != nil {
		return fmt.Errorf("upgrading the connection: %w", err)
	}
	conn.SetReadLimit(escaped*host.EventBytes() + frameOverhead)
	socket := newSocket(s, conn, wire, host, start)
	if !s.add(socket) {
		_ = conn.CloseNow()
		return fmt.Errorf("upgrading the connection: %w", pubsub.ErrDraining)
	}
	go func() {
		defer s.running.Done()
		socket.run(start)
		s.remove(socket)
	}()
	return nil
}

func (s *Server) add(socket *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.sockets[socket] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) remove(socket *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sockets, socket)
}

// open returns the connections.
func (s *Server) open() []*socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	sockets := make([]*socket, 0, len(s.sockets))
	for socket := range s.sockets {
		sockets = append(sockets, socket)
	}
	return sockets
}

// drainStep is how often connections without subscriptions are looked for.
const drainStep = 50 * time.Millisecond

// Drain closes the connections that have no subscription, spread evenly over a period, and returns when no connection is
// left or the context has ended. The engine's own drain ends the others: with the first of its streams a connection
// closes.
func (s *Server) Drain(ctx context.Context, period time.Duration) error {
	total := len(s.open())
	for start, closed := time.Now(), 0; ; {
		sockets := s.open()
		if len(sockets) == 0 {
			return nil
		}
		due := total
		if passed := time.Since(start); passed < period {
			due = int(float64(total) * float64(passed) / float64(period))
		}
		for _, socket := range sockets {
			if closed < due && socket.idle() && socket.shut(closingFor(pubsub.EndDrain, s.cfg.Retry)) {
				closed++
			}
		}
		select {
		case <-time.After(drainStep):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Run ends with the context. It then closes the connections that are left and waits for them.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	for _, socket := range s.open() {
		socket.shut(closingFor(pubsub.EndDrain, s.cfg.Retry))
	}
	finished := make(chan struct{})
	go func() {
		s.running.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		return nil
	case <-time.After(shutdownTimeout):
	}
	for _, socket := range s.open() {
		socket.cut()
	}
	<-finished
	return nil
}

// shutdownTimeout is how long connections may take to close once the server stops.
const shutdownTimeout = 2 * time.Second

// Stats returns the streams that are open, and the bytes written to all connections. It may be called at any time.
func (s *Server) Stats() delivery.Stats {
	return delivery.Stats{Transport: s.name, Open: map[string]int64{"upgraded": s.streams.Load()}, Bytes: s.bytes.Load()}
}

// Sockets returns the number of connections, with and without subscriptions.
func (s *Server) Sockets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets)
}

// Requested reports whether a request asks for an upgrade to WebSocket. HTTP/1.0 and HTTP/2 have no upgrade, so that such a
// request is one for another transport (RFC 9110, 7.8).
func Requested(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.ProtoMinor == 1 && hasToken(r.Header.Values("Upgrade"), "websocket")
}
