package keepalive_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A goroutine that http.TimeoutHandler leaves behind reads its own request's body only.
func TestHandlerThatIsLeftBehind(t *testing.T) {
	read, timedOut := make(chan string, 1), make(chan struct{})
	slow := http.TimeoutHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		read <- fmt.Sprint(string(body), err)
	}), time.Millisecond, "late")
	s := onLoopback(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			slow.ServeHTTP(w, r)
			close(timedOut)
			return
		}
		echo(w, r)
	}), true)
	c := s.dial(t)
	c.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nb")
	<-timedOut
	c.send("ody" + post("/", "second")) // the response waits for the body, as that of net/http
	assert.Equal(t, "503 Service Unavailable", c.receive().status)
	assert.True(t, strings.HasSuffix(c.receive().body, "\nsecond"))
	// It may not have begun to read in time, and then reads nothing.
	assert.Contains(t, []string{"body<nil>", "http: invalid Read on closed Body"}, <-read)
}

// A body cannot be read once its request is answered.
func TestBodyIsClosed(t *testing.T) {
	bodies := make(chan io.Reader, 2)
	s := onLoopback(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { bodies <- r.Body }), true)
	c := s.dial(t)
	c.send(post("/", "x"))
	c.receive()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx")
	first, second := <-bodies, <-bodies
	_, err := first.Read(make([]byte, 1))
	require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
	c.send("body")
	c.receive()
	_, err = second.Read(make([]byte, 1))
	require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
}

// A client that leaves before its body has arrived ends the request's context, from which handlers tell it from one that
// sends nonsense.
func TestContextEndsWhenTheBodyIsCut(t *testing.T) {
	causes := make(chan error, 1)
	s := onLoopback(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		assert.Equal(t, err != nil, r.Context().Err() != nil)
		causes <- r.Context().Err()
	}), true)
	c := s.dial(t)
	c.send(post("/", "x"))
	c.receive()
	require.NoError(t, <-causes)
	c.send(post("/", "x"))
	c.receive()
	require.NoError(t, <-causes)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx")
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-causes, context.Canceled)
}

// A deadline that is set while the body is read ends that.
func TestDeadlineDuringRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			time.AfterFunc(time.Second, func() { assert.NoError(t, http.NewResponseController(w).SetReadDeadline(time.Now())) })
			_, err := io.ReadAll(r.Body)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
			w.WriteHeader(http.StatusRequestTimeout)
		})
		c := listener.dial(t)
		start := time.Now()
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx")
		assert.Equal(t, "408 Request Timeout", c.receive().status)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

// The last response on a connection does not wait for a body that the handler does not read.
func TestLastResponseDoesNotWaitForTheBody(t *testing.T) {
	for name, stopping := range map[string]bool{"the handler closes": false, "shutdown": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, listener := inMemory(t, func(w http.ResponseWriter, _ *http.Request) {
					time.Sleep(time.Second)
					if !stopping {
						w.Header().Set("Connection", "close")
					}
				})
				c := listener.dial(t)
				start := time.Now()
				c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nx")
				synctest.Wait()
				stopped := make(chan error, 1)
				if stopping {
					go func() { stopped <- s.shutdown(t.Context()) }()
				} else {
					stopped <- nil
				}
				assert.True(t, c.receive().close)
				assert.Equal(t, time.Second, time.Since(start))
				c.send("ody")
				c.end()
				assert.Equal(t, time.Second+500*time.Millisecond, time.Since(start))
				require.NoError(t, <-stopped)
			})
		})
	}
}

// A client that goes on sending has as much time to read the response as any other.
func TestLingerWhileTheClientSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener := inMemory(t, echo)
		c := listener.dial(t)
		sent := make(chan error)
		go func() {
			_, err := io.WriteString(c, post("/unread", strings.Repeat("x", 1<<20)))
			sent <- err
		}()
		assert.True(t, c.receive().close)
		start := time.Now()
		require.Error(t, <-sent, "not everything is read")
		assert.Equal(t, 500*time.Millisecond, time.Since(start))
		c.end()
	})
}

// Shutdown that is cut short does not wait for such a client.
func TestShutdownDuringLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, listener := inMemory(t, echo)
		c := listener.dial(t)
		go func() { _, _ = io.WriteString(c, post("/unread", strings.Repeat("x", 1<<20))) }()
		c.receive()
		synctest.Wait()
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.Error(t, s.shutdown(ctx))
		assert.Equal(t, 100*time.Millisecond, time.Since(start))
		c.end()
	})
}
