package keepalive_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"carillon/internal/transport/keepalive"
)

// Shutdown that comes while a response is sent ends the connection after it.
func TestShutdownWhileAResponseIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, listener := inMemory(t, echo)
		c := listener.dial(t)
		c.send(post("/none", "x"))
		synctest.Wait() // the server writes until the client reads
		stopped := make(chan error)
		go func() { stopped <- s.shutdown(t.Context()) }()
		synctest.Wait()
		start := time.Now()
		assert.False(t, c.receive().close)
		c.end()
		require.NoError(t, <-stopped)
		assert.Less(t, time.Since(start), time.Second) // http.Server polls
	})
}

// The last response is followed by the end of the connection at once if nothing of the body is left.
func TestLastResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener := inMemory(t, echo)
		c := listener.dial(t)
		start := time.Now()
		c.send(post("/last", "x"))
		assert.True(t, c.receive().close)
		c.end()
		assert.Zero(t, time.Since(start))
	})
}

// The deadline of a response does not hold for what net/http sends later.
func TestDeadlinesEndWhenAConnectionIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				assert.NoError(t, http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second)))
			} else {
				time.Sleep(5 * time.Second)
			}
		})
		c := listener.dial(t)
		c.send(post("/", "x"))
		c.receive()
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		assert.Equal(t, "200 OK", c.receive().status)
	})
}

// A deadline does not hold for the next response.
func TestDeadlineOfTheLastResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				time.Sleep(5 * time.Second)
				return
			}
			assert.NoError(t, http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second)))
		})
		c := listener.dial(t)
		c.send(post("/", "x"))
		c.receive()
		c.send(post("/slow", "x"))
		assert.Equal(t, "200 OK", c.receive().status)
	})
}

// halves is a connection whose sending half can be closed.
type halves struct {
	net.Conn

	closed chan struct{}
}

func (h halves) CloseWrite() error {
	close(h.closed)
	return nil
}

// A client that is not read any more learns that with the response.
func TestLingerEndsTheSendingHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener := inMemory(t, echo)
		here, there := net.Pipe()
		half := halves{there, make(chan struct{})}
		listener.conns <- half
		c := greet(newClient(t, here))
		start := time.Now()
		c.send("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx")
		c.receive()
		<-half.closed
		assert.Zero(t, time.Since(start))
	})
}

// The body of a request that ends the connection is closed, too.
func TestBodyIsClosedWithTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bodies := make(chan io.Reader, 1)
		_, listener := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			bodies <- r.Body
		})
		c := listener.dial(t)
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
		c.receive()
		c.end()
		_, err := (<-bodies).Read(make([]byte, 1))
		require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
	})
}

// Nothing of a connection is kept when it has ended.
func TestEndedConnectionsAreForgotten(t *testing.T) {
	_, listener := inMemory(t, echo)
	collected := make(chan struct{})
	here, there := net.Pipe()
	func() { // which does not keep it either
		server := &halves{Conn: there}
		runtime.AddCleanup(server, func(struct{}) { close(collected) }, struct{}{})
		listener.conns <- server
	}()
	c := greet(newClient(t, here))
	c.send(post("/last", "x"))
	c.receive()
	c.end()
	for {
		runtime.GC()
		select {
		case <-collected:
			return
		default:
			runtime.Gosched()
		}
	}
}

// After Shutdown, everything is left to net/http.
func TestAfterShutdown(t *testing.T) {
	s := onLoopback(t, via(echo), true)
	c := s.dial(t)
	require.NoError(t, s.keepalive.Shutdown(t.Context()))
	for range 2 {
		c.send(post("/", "x"))
		assert.False(t, c.receive().taken())
	}
	_, err := s.keepalive.Returned().Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

// So is everything with TLS, and with a http.Server that does not call ConnContext.
func TestNotTaken(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){
		"TLS": func(s *httptest.Server) {
			s.Config.ConnContext = keepalive.ConnContext
			s.StartTLS()
		},
		"no ConnContext": (*httptest.Server).Start,
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(keepalive.New(via(echo), keepalive.Config{IdleTimeout: time.Minute, Logger: zap.NewNop()}))
			start(s)
			defer s.Close()
			for range 3 {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader("x"))
				require.NoError(t, err)
				r, err := s.Client().Do(request)
				require.NoError(t, err)
				_, _ = io.Copy(io.Discard, r.Body)
				_ = r.Body.Close()
				assert.Equal(t, "false", r.Header.Get("X-Taken"))
			}
		})
	}
}
