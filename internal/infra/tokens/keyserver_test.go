package tokens_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/infra/tokens"
)

// keyServer serves keys over pipes, because fake time does not advance while a goroutine waits for a socket.
type keyServer struct {
	url string

	mu     sync.Mutex
	answer http.HandlerFunc
	asked  []time.Duration // when, since the start
	failed []error         // what the verifier said of it
}

func newKeyServer(t *testing.T, answer http.HandlerFunc) *keyServer {
	t.Helper()
	s := &keyServer{answer: answer}
	start := time.Now()
	pipes := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &httptest.Server{Listener: pipes, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, time.Since(start))
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	})}}
	server.Start()
	s.url = server.URL + "/keys"

	before := http.DefaultTransport
	http.DefaultTransport = &http.Transport{DialContext: pipes.dial}
	t.Cleanup(func() {
		server.Close()
		http.DefaultTransport = before
	})
	return s
}

// now sets the handler of further requests.
func (s *keyServer) now(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// askedAt returns when keys were requested since its last call.
func (s *keyServer) askedAt() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// complaints returns the errors that the verifier reported since its last call.
func (s *keyServer) complaints() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	failed := s.failed
	s.failed = nil
	return failed
}

func (s *keyServer) config(algorithm string) tokens.Config {
	return tokens.Config{JWT: tokens.JWT{Algorithm: algorithm, JWKSURL: s.url, JWKSRefresh: 15 * time.Minute}}
}

// run is a verifier that runs until the test ends, and must end with it.
func (s *keyServer) run(t *testing.T, cfg tokens.Config) *tokens.Verifier {
	t.Helper()
	start := time.Now()
	v, err := tokens.New(cfg, func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed = append(s.failed, err)
	})
	require.NoError(t, err)
	assert.Zero(t, time.Since(start), "making one waits for nothing")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	t.Cleanup(func() {
		stopped := time.Now()
		stop()
		assert.NoError(t, <-ended)
		assert.Zero(t, time.Since(stopped), "an end waits for nothing")
	})
	synctest.Wait()
	return v
}

func keys(t *testing.T, keys ...any) http.HandlerFunc {
	t.Helper()
	set := keySet(t, keys...)
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

type pipeListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }
