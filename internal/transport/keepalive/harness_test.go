package keepalive_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"carillon/internal/transport/keepalive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a http.Server behind which the handler is served with or without the package.
type server struct {
	http      *http.Server
	keepalive *keepalive.Server // nil: net/http alone
	listener  net.Listener
	logs      *observer.ObservedLogs
	serving   sync.WaitGroup
}

func serve(t testing.TB, listener net.Listener, handler http.Handler, taking bool, options ...func(*http.Server)) *server {
	core, logs := observer.New(zap.InfoLevel)
	s := &server{listener: listener, logs: logs}
	handler = greeting(handler)
	s.http = &http.Server{
		Handler: handler, IdleTimeout: time.Minute, ReadHeaderTimeout: 5 * time.Second, ErrorLog: zap.NewStdLog(zap.NewNop()),
	}
	if taking {
		s.keepalive = keepalive.New(handler, keepalive.Config{IdleTimeout: time.Minute, Logger: zap.New(core)})
		s.http.Handler, s.http.ConnContext = s.keepalive, keepalive.ConnContext
		defer s.serving.Go(func() { _ = s.http.Serve(s.keepalive.Returned()) })
	}
	for _, option := range options {
		option(s.http)
	}
	s.serving.Go(func() { _ = s.http.Serve(listener) })
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.shutdown(ctx)
	})
	return s
}

// shutdown stops the server as its program does.
func (s *server) shutdown(ctx context.Context) error {
	var keptAlive error
	var stopping sync.WaitGroup
	if s.keepalive != nil {
		stopping.Go(func() { keptAlive = s.keepalive.Shutdown(ctx) })
	}
	err := s.http.Shutdown(ctx)
	_ = s.http.Close()
	stopping.Wait()
	s.serving.Wait()
	return errors.Join(err, keptAlive)
}

func onLoopback(t testing.TB, handler http.Handler, taking bool, options ...func(*http.Server)) *server {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return serve(t, listener, handler, taking, options...)
}

func (s *server) dial(t testing.TB) *client {
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	require.NoError(t, err)
	return greet(newClient(t, conn))
}

// client is a connection to a server.
type client struct {
	net.Conn

	t  testing.TB
	in *bufio.Reader
}

func newClient(t testing.TB, conn net.Conn) *client {
	t.Cleanup(func() { _ = conn.Close() })
	return &client{conn, t, bufio.NewReader(conn)}
}

func (c *client) send(text string) {
	c.t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(c.t, err)
}

// answer is a response as far as a client can rely on it.
type answer struct {
	status string
	header http.Header
	body   string
	close  bool
}

// receive returns the next response.
func (c *client) receive() answer {
	c.t.Helper()
	a, err := read(c.in)
	require.NoError(c.t, err)
	return a
}

func read(in *bufio.Reader) (answer, error) {
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		return answer{}, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	r.Header.Del("Date")
	return answer{r.Status, r.Header, string(body), r.Close}, err
}

// end requires that the server closes the connection.
func (c *client) end() {
	c.t.Helper()
	n, err := c.in.Read(make([]byte, 1))
	require.Zero(c.t, n)
	require.Error(c.t, err)
	require.NotErrorIs(c.t, err, os.ErrDeadlineExceeded)
}

// exchange sends text, ends the sending half, and returns what the server sends until it closes the connection.
func (s *server) exchange(t testing.TB, text string) string {
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, _ = io.WriteString(conn, text) // the server may answer and close before it has read everything
	_ = conn.(*net.TCPConn).CloseWrite()
	got, _ := io.ReadAll(conn) // it may also reset the connection
	return string(got)
}

// post returns an ordinary request.
func post(path, body string, fields ...string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n%s", path, strings.Join(append(fields, ""), "\r\n"), len(body), body)
}
