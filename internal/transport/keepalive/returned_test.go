package keepalive_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Requests that the package does not serve, and what follows them, are served by net/http on the same connection.
func TestOtherRequestsAreGivenBack(t *testing.T) {
	s := onLoopback(t, via(echo), true)
	for name, text := range map[string]string{
		"GET":             "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
		"chunks":          "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"no length":       "POST /a HTTP/1.1\r\nHost: a\r\n\r\n",
		"a trailer":       post("/a", "x", "Trailer: X"),
		"an upgrade":      post("/a", "x", "Upgrade: x"),
		"PUT":             strings.Replace(post("/a", "x"), "POST", "PUT", 1),
		"HTTP/1.0":        strings.Replace(post("/a", "x", "Connection: keep-alive"), "HTTP/1.1", "HTTP/1.0", 1),
		"several options": post("/a", "x", "Connection: keep-alive, x"),
	} {
		t.Run(name, func(t *testing.T) {
			c := s.dial(t)
			for range 3 {
				c.send(post("/1", "one"))
				assert.True(t, c.receive().taken())
				c.send(post("/2", "two") + text + post("/3", "three") + post("/4", "four"))
				assert.True(t, c.receive().taken())
				a := c.receive()
				assert.Equal(t, "200 OK", a.status)
				assert.False(t, a.taken())
				assert.True(t, c.receive().taken(), "again")
				a = c.receive()
				assert.True(t, a.taken())
				assert.True(t, strings.HasSuffix(a.body, "four"))
			}
		})
	}
}

// A connection with a single request is not taken over, which would cost more than it saves.
func TestFirstRequestIsLeftToNetHTTP(t *testing.T) {
	s := onLoopback(t, via(echo), true)
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	require.NoError(t, err)
	c := newClient(t, conn)
	for n := range 3 {
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") // it does not count
		assert.False(t, c.receive().taken())
		if n == 0 {
			continue
		}
		c.send(post("/", "x"))
		assert.Equal(t, n == 2, c.receive().taken())
	}
}

// Heads that the package does not parse are left to net/http, and a connection with many of them stays with it.
func TestUnusualHeads(t *testing.T) {
	s := onLoopback(t, via(echo), true)
	for name, text := range map[string]string{
		"long":                 post("/a", "x", "X-Long: "+strings.Repeat("x", 5000)),
		"not ASCII":            post("/a", "x", "X: é"),
		"a tab":                post("/a", "x", "X: a\tb"),
		"a tab at the end":     post("/a", "x", "X: a\t"),
		"two lengths":          post("/a", "x", "Content-Length: 1"),
		"a long length":        strings.ReplaceAll(post("/a", "x"), "Content-Length: 1", "Content-Length: 0000000000000001"),
		"an absolute target":   post("http://a/a", "x"),
		"a target not ASCII":   post("/é", "x"),
		"an empty host":        strings.ReplaceAll(post("/a", "x"), "Host: a", "Host:"),
		"a line end":           strings.ReplaceAll(post("/a", "x"), "Host: a\r\n", "Host: a\n"),
		"a host with anything": strings.ReplaceAll(post("/a", "x"), "Host: a", "Host: a$"),
	} {
		t.Run(name, func(t *testing.T) {
			c := s.dial(t)
			for n := range 12 {
				c.send(text)
				a := c.receive()
				assert.True(t, strings.HasSuffix(a.body, "x"))
				assert.Equal(t, n < 8, a.taken())
			}
			c.send(post("/", "x"))
			assert.False(t, c.receive().taken())
		})
	}
}

func TestExpectedContinueIsSent(t *testing.T) {
	s := onLoopback(t, via(echo), true)
	c := s.dial(t)
	c.send(post("/", "x"))
	c.receive()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	assert.Equal(t, "100 Continue", c.receive().status)
	c.send("body")
	assert.True(t, strings.HasSuffix(c.receive().body, "body"))
}

// A GET that takes the connection over from net/http gets all that the client has sent, and the descriptor.
func TestHijackAfterPosts(t *testing.T) {
	s := onLoopback(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			echo(w, r)
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		raw, err := conn.(syscall.Conn).SyscallConn()
		assert.NoError(t, err)
		assert.NotNil(t, raw)
		early, err := io.ReadAll(buffered)
		assert.NoError(t, err)
		_, _ = conn.Write(early)
		assert.NoError(t, conn.(interface{ CloseWrite() error }).CloseWrite())
	}), true)
	got := s.exchange(t, strings.Repeat(post("/none", "x"), 2)+"GET / HTTP/1.1\r\nHost: a\r\n\r\nearly")
	_, got, _ = strings.Cut(got, "\r\n\r\n")
	_, got, _ = strings.Cut(got, "\r\n\r\n")
	assert.Equal(t, "early", got)
}

// With HTTP/2, net/http reads the beginning of a connection, also of one that is given back, to recognize the protocol.
func TestTakenAgainFromAServerWithHTTP2(t *testing.T) {
	s := onLoopback(t, via(echo), true, func(s *http.Server) {
		s.Protocols = &http.Protocols{}
		s.Protocols.SetHTTP1(true)
		s.Protocols.SetUnencryptedHTTP2(true)
	})
	c := s.dial(t)
	c.send(post("/", "x"))
	assert.True(t, c.receive().taken())
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n" + strings.Repeat(post("/", "x"), 200))
	assert.False(t, c.receive().taken())
	for n := range 200 {
		a := c.receive()
		require.Equal(t, "200 OK", a.status)
		assert.True(t, n > 0 || a.taken())
		assert.True(t, strings.HasSuffix(a.body, "\nx"))
	}
}
