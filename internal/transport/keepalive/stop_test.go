package keepalive_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var never time.Time

func soon() time.Time { return time.Now().Add(20 * time.Millisecond) }

func TestIdleConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener := inMemory(t, echo)
		c := listener.dial(t)
		for range 3 {
			c.send(post("/", "x"))
			c.receive()
			time.Sleep(time.Minute - 1)
		}
		start := time.Now()
		c.end()
		assert.EqualValues(t, 1, time.Since(start))
	})
}

// The deadline of an idle connection does not cut a body off that takes longer.
func TestSlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener := inMemory(t, echo)
		c := listener.dial(t)
		c.send(post("/", "x"))
		c.receive()
		head, body, _ := strings.Cut(post("/", "body"), "\r\n\r\n")
		c.send(head + "\r\n\r\n")
		for _, piece := range body {
			time.Sleep(time.Minute)
			c.send(string(piece))
		}
		assert.True(t, strings.HasSuffix(c.receive().body, "body"))
		time.Sleep(time.Minute - 1)
		c.send(post("/none", "x"))
		c.receive()
	})
}

func TestDeadlinesOfTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			assert.NoError(t, control.SetReadDeadline(time.Now().Add(time.Second)))
			assert.NoError(t, control.SetWriteDeadline(time.Now().Add(2*time.Second)))
			if _, err := io.ReadAll(r.Body); err != nil {
				assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
				w.WriteHeader(http.StatusRequestTimeout)
			}
		})
		c := listener.dial(t)
		for range 3 { // a deadline does not outlive its request
			c.send(post("/", "x"))
			assert.Equal(t, "200 OK", c.receive().status)
			time.Sleep(5 * time.Second)
		}
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx")
		start := time.Now()
		a := c.receive()
		assert.Equal(t, time.Second, time.Since(start))
		assert.Equal(t, "408 Request Timeout", a.status)
		assert.True(t, a.close)
		c.end()

		c = listener.dial(t)
		start = time.Now()
		c.send(post("/", "x"))
		time.Sleep(3 * time.Second) // the client does not read
		c.end()
		assert.Equal(t, 3*time.Second, time.Since(start))
	})
}

// The response to a body that is not read is not followed by the end of the connection at once: that would destroy it.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener := inMemory(t, echo)
		c := listener.dial(t)
		c.send("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx")
		assert.True(t, c.receive().close)
		start := time.Now()
		c.end()
		assert.Equal(t, 500*time.Millisecond, time.Since(start))
	})
}

func TestShutdownClosesIdleConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, listener := inMemory(t, echo)
		c := listener.dial(t)
		c.send(post("/", "x"))
		c.receive()
		synctest.Wait()
		start := time.Now()
		require.NoError(t, s.shutdown(t.Context()))
		c.end()
		assert.Less(t, time.Since(start), time.Second)
	})
}

func TestShutdownWaitsForRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, listener := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(10 * time.Second)
			assert.NoError(t, r.Context().Err())
			echo(w, r)
		})
		c, late := listener.dial(t), listener.dial(t)
		c.send(post("/", "x"))
		late.send("GE") // net/http answers it
		synctest.Wait()
		stopped := make(chan error)
		start := time.Now()
		go func() { stopped <- s.shutdown(t.Context()) }()
		synctest.Wait()
		a := c.receive()
		assert.True(t, a.close)
		assert.True(t, strings.HasSuffix(a.body, "x"))
		c.end()
		require.NoError(t, <-stopped)
		assert.WithinDuration(t, start.Add(10*time.Second), time.Now(), time.Second) // http.Server polls
	})
}

func TestShutdownIsCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var returned atomic.Bool
		s, listener := inMemory(t, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			assert.ErrorIs(t, r.Context().Err(), context.Canceled)
			synctest.Wait() // it is waited for
			returned.Store(true)
		})
		c := listener.dial(t)
		c.send(post("/", "x"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, s.shutdown(ctx), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
		assert.True(t, returned.Load())
		c.end()
	})
}

// A connection that is given back after the stop is closed.
func TestShutdownClosesWhatIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, listener := inMemory(t, echo)
		c := listener.dial(t)
		c.send(post("/", "x"))
		c.receive()
		synctest.Wait()
		_ = s.keepalive.Returned().Close()
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		c.end()
	})
}
