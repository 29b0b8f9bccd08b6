package delivery_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/transport/sse"
)

// reader is a client of a stream.
type reader struct {
	t          testing.TB
	body       io.Reader
	in         *sse.Decoder
	close      func()
	heartbeats atomic.Int64
}

// listen opens a stream of Server-Sent Events.
func (s *testServer) listen(query string) *reader {
	s.Helper()
	body := s.get("/?" + query).Body
	return s.read(body, sync.OnceFunc(func() { _ = body.Close() }))
}

// get opens a stream.
func (s *testServer) get(target string) *http.Response {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.web.URL+target, nil)
	require.NoError(s, err)
	if !s.kind.gzip {
		r.Header.Set("Accept-Encoding", "identity") // otherwise Go's client requests gzip and decompresses it
	}
	response, err := s.web.Client().Do(r)
	require.NoError(s, err)
	require.Equal(s, http.StatusOK, response.StatusCode)
	assert.Equal(s, s.kind.http2, response.ProtoMajor == 2)
	assert.Equal(s, s.kind.gzip, response.Uncompressed)
	return response
}

func (s *testServer) read(body io.Reader, closing func()) *reader {
	s.Cleanup(closing)
	c := &reader{t: s, body: body, close: closing, in: sse.NewDecoder(body, 1<<24, "")}
	c.in.Comment = func(string) { c.heartbeats.Add(1) }
	return c
}

// next waits for the next event.
func (c *reader) next() sse.Message {
	c.t.Helper()
	guard := time.AfterFunc(waitTimeout, c.close)
	defer guard.Stop()
	m, err := c.in.Next()
	require.NoError(c.t, err)
	return m
}

// expectGoaway checks that a goaway of a drain and a clean end come next.
func (c *reader) expectGoaway() {
	c.t.Helper()
	m := c.next()
	assert.Equal(c.t, "carillon.goaway", m.Type)
	assert.JSONEq(c.t, `{"reason":"drain"}`, m.Data)
	assert.GreaterOrEqual(c.t, m.Retry, 2*time.Second)
	assert.Less(c.t, m.Retry, 4*time.Second)
	_, err := c.in.Next()
	assert.ErrorIs(c.t, err, io.EOF, "the body does not end as HTTP says")
}

// dial opens a stream on a bare connection whose kernel takes little, and reads its head.
func (s *testServer) dial(buffer int) (net.Conn, *bufio.Reader) {
	s.Helper()
	raw, err := net.Dial("tcp", s.web.Listener.Addr().String())
	require.NoError(s, err)
	s.Cleanup(func() { _ = raw.Close() })
	if buffer > 0 {
		require.NoError(s, raw.(*net.TCPConn).SetReadBuffer(buffer))
	}
	conn := raw
	if s.kind.secure {
		conn = tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	}
	accepted := "identity"
	if s.kind.gzip {
		accepted = "gzip"
	}
	_, err = fmt.Fprintf(conn, "GET /?topic=a HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %s\r\n\r\n", accepted)
	require.NoError(s, err)
	in := bufio.NewReader(conn)
	for line := ""; line != "\r\n"; {
		line, err = in.ReadString('\n')
		require.NoError(s, err)
	}
	return conn, in
}

// chunked reads the body of a response whose head was read.
func chunked(in *bufio.Reader) io.Reader {
	response, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), in)), nil)
	if err != nil {
		panic(err)
	}
	return response.Body
}

// hijackable is a response writer whose connection a test has prepared.
type hijackable struct {
	http.ResponseWriter

	conn net.Conn
}

func (g hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return g.conn, nil, nil }

// serve serves a stream on a connection.
func (s *testServer) serve(conn net.Conn) {
	s.Helper()
	r := httptest.NewRequestWithContext(s.Context(), http.MethodGet, "/?topic=a", nil)
	stream, err := s.engine.Open(s.Context(), subscriptionOf(r))
	require.NoError(s, err)
	s.sse.Serve(hijackable{httptest.NewRecorder(), conn}, r, stream, s)
}
