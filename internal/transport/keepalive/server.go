package keepalive

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Config configures a [Server].
type Config struct {
	IdleTimeout time.Duration // how long a connection may be without a request
	Logger      *zap.Logger   // takes the panics of the handler
}

// maxReturns is how often a connection is given back before it stays with net/http: to hijack it costs as much as some
// requests.
const maxReturns = 8

// Server is a handler that hijacks the connections that send ordinary requests, and leaves all other requests to the
// [http.Server] that calls it. Its methods may be called concurrently.
type Server struct {
	handler http.Handler
	cfg     Config
	back    *returns

	stopping atomic.Bool
	serving  sync.WaitGroup // the goroutines of conns
	mu       sync.Mutex     // guards conns, and serving.Add against stopping
	conns    map[*conn]struct{}
}

// New returns a server of requests to a handler. It starts no goroutine.
func New(handler http.Handler, cfg Config) *Server {
	return &Server{handler: handler, cfg: cfg, back: newReturns(), conns: make(map[*conn]struct{})}
}

// Returned returns the listener of the connections that are given back. The http.Server must serve it in addition to its
// own one, and call [ConnContext]. Shutdown closes the listener.
func (s *Server) Returned() net.Listener { return s.back }

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !ordinary(r) || !usageOf(r.Context()).worthHijacking() || !s.hijack(w, r) {
		s.handler.ServeHTTP(w, r)
	}
}

// ordinary reports whether a request that net/http has read is one that this package serves.
func ordinary(r *http.Request) bool {
	if r.Method != http.MethodPost || r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.TLS != nil || r.Close ||
		r.ContentLength <= 0 || len(r.TransferEncoding) > 0 {
		return false
	}
	for _, name := range []string{"Expect", "Trailer", "Upgrade"} {
		if _, given := r.Header[name]; given {
			return false
		}
	}
	for _, value := range r.Header["Connection"] {
		if !strings.EqualFold(value, "keep-alive") {
			return false
		}
	}
	return true
}

// hijack serves a request and those that follow it on its connection in a goroutine of its own. It reports false if
// nothing has happened.
func (s *Server) hijack(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return false
	}
	hijacked, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	c := newConn(s, hijacked, buffered.Reader, r)
	s.conns[c] = struct{}{}
	s.serving.Go(func() { c.serve(r) })
	return true
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// Shutdown closes the connections without a request and waits until the others have been answered, which closes them.
// When ctx ends before, it ends the contexts of their requests, closes the connections and returns the error of ctx, as
// soon as the handlers have returned. Requests that arrive during Shutdown are left to the http.Server, which is to be
// shut down at the same time.
func (s *Server) Shutdown(ctx context.Context) error {
	_ = s.back.Close() // it returns no error
	s.mu.Lock()
	s.stopping.Store(true) // from here on, no connection is added
	s.mu.Unlock()
	s.each(func(c *conn) { c.stopIfIdle() })
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.serving.Wait()
	}()
	select {
	case <-served:
		return nil
	case <-ctx.Done():
	}
	s.each(func(c *conn) { c.abort() })
	<-served
	return ctx.Err()
}

// each calls a function for each connection that is served.
func (s *Server) each(do func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		do(c)
	}
}
