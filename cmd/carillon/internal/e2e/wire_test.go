package e2e_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wire is a network between a browser and a server that can be cut and mended. It passes bytes on as they are and keeps them.
type wire struct {
	addr, to string
	running  sync.WaitGroup

	mu    sync.Mutex
	calls []*call
	whole chan struct{} // closed while connections go through
}

// call is one connection through the wire.
type call struct {
	conn     net.Conn
	mu       sync.Mutex
	up, down bytes.Buffer
}

func startWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{addr: l.Addr().String(), to: to, whole: make(chan struct{})}
	close(w.whole)
	w.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.mu.Lock()
			c, whole := &call{conn: conn}, w.whole
			w.calls = append(w.calls, c)
			w.mu.Unlock()
			w.running.Go(func() { c.carry(w.to, whole) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.cut()
		w.mend()
		w.running.Wait()
	})
	return w
}

func (w *wire) url(path string) string { return "http://" + w.addr + path }

// cut ends every connection, and lets new ones wait until the wire is mended.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole = make(chan struct{})
	for _, c := range w.calls {
		c.conn.Close()
	}
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.whole)
}

// carry passes bytes both ways until either side, or the wire, ends the connection.
func (c *call) carry(to string, whole <-chan struct{}) {
	defer c.conn.Close()
	<-whole
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(c.keeping(server, &c.up), c.conn) // its end is all there is to know
		server.Close()
	}()
	_, _ = io.Copy(c.keeping(c.conn, &c.down), server)
	c.conn.Close()
	<-done
}

// keeping writes to a connection, and into a buffer what the connection took.
func (c *call) keeping(to io.Writer, buffer *bytes.Buffer) io.Writer {
	return writerFunc(func(b []byte) (int, error) {
		n, err := to.Write(b)
		c.mu.Lock()
		defer c.mu.Unlock()
		buffer.Write(b[:n])
		return n, err
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// exchange is a request for a stream, and what was answered.
type exchange struct {
	lastEventID string
	answer      string
}

// streams answers what went over the wire for event streams, in the order of their connections.
func (w *wire) streams(t *testing.T) []exchange {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []exchange
	for _, c := range w.calls {
		c.mu.Lock()
		up, down := bufio.NewReader(bytes.NewReader(c.up.Bytes())), c.down.String()
		c.mu.Unlock()
		for {
			r, err := http.ReadRequest(up)
			if err != nil {
				break
			}
			if r.URL.Path == "/events" {
				all = append(all, exchange{r.Header.Get("Last-Event-ID"), down})
			}
		}
	}
	return all
}

// awaitBookmark waits until an id at or after an offset has gone to the newest stream, and answers the last one.
func (w *wire) awaitBookmark(t *testing.T, offset int) (id string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		streams := w.streams(t)
		require.NotEmpty(c, streams)
		id = streams[len(streams)-1].lastID()
		require.NotEmpty(c, id)
		require.GreaterOrEqual(c, offsetOf(t, id), offset)
	}, patience, 10*time.Millisecond)
	return id
}

var ids = regexp.MustCompile(`\nid: (.*)\n`)

// lastID is the last id a stream was sent, with an event or without.
func (e exchange) lastID() string {
	if all := ids.FindAllStringSubmatch(e.answer, -1); len(all) > 0 {
		return all[len(all)-1][1]
	}
	return ""
}

// offsetOf is the place in the log that an id tells.
func offsetOf(t *testing.T, id string) int {
	t.Helper()
	n, err := strconv.Atoi(id[strings.LastIndex(id, "-")+1:])
	require.NoError(t, err)
	return n
}
