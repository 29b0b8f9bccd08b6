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

// link is a network link between a browser and a server that can be cut and restored. It forwards bytes unchanged and
// keeps a copy of them.
type link struct {
	addr, to string
	running  sync.WaitGroup

	mu          sync.Mutex
	connections []*connection
	intact      chan struct{} // closed while connections are forwarded
}

// connection is one connection over the link.
type connection struct {
	conn     net.Conn
	mu       sync.Mutex
	up, down bytes.Buffer
}

func startLink(t *testing.T, to string) *link {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &link{addr: socket.Addr().String(), to: to, intact: make(chan struct{})}
	close(l.intact)
	l.running.Go(func() {
		for {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			l.mu.Lock()
			c, intact := &connection{conn: conn}, l.intact
			l.connections = append(l.connections, c)
			l.mu.Unlock()
			l.running.Go(func() { c.forward(l.to, intact) })
		}
	})
	t.Cleanup(func() {
		socket.Close()
		l.cut()
		l.restore()
		l.running.Wait()
	})
	return l
}

func (l *link) url(path string) string { return "http://" + l.addr + path }

// cut ends every connection. New ones wait until the link is restored.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.intact = make(chan struct{})
	for _, c := range l.connections {
		c.conn.Close()
	}
}

func (l *link) restore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.intact)
}

// forward copies bytes in both directions until either side or the link ends the connection.
func (c *connection) forward(to string, intact <-chan struct{}) {
	defer c.conn.Close()
	<-intact
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(c.recording(server, &c.up), c.conn) // an error is as good as the end
		server.Close()
	}()
	_, _ = io.Copy(c.recording(c.conn, &c.down), server)
	c.conn.Close()
	<-done
}

// recording returns a writer to a connection that copies into a buffer what was written.
func (c *connection) recording(to io.Writer, buffer *bytes.Buffer) io.Writer {
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

// exchange is a request for a stream and its response.
type exchange struct {
	lastEventID string
	response    string
}

// streams returns the requests for event streams and their responses, in the order of the connections.
func (l *link) streams(t *testing.T) []exchange {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []exchange
	for _, c := range l.connections {
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

// awaitID waits until the newest stream has been sent an id at or after an offset, and returns the last one.
func (l *link) awaitID(t *testing.T, offset int) (id string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		streams := l.streams(t)
		require.NotEmpty(c, streams)
		id = streams[len(streams)-1].lastID()
		require.NotEmpty(c, id)
		require.GreaterOrEqual(c, offsetOf(t, id), offset)
	}, waitTimeout, 10*time.Millisecond)
	return id
}

var ids = regexp.MustCompile(`\nid: (.*)\n`)

// lastID returns the last id that a stream was sent, with an event or without one.
func (e exchange) lastID() string {
	if all := ids.FindAllStringSubmatch(e.response, -1); len(all) > 0 {
		return all[len(all)-1][1]
	}
	return ""
}

// offsetOf returns the offset in an id.
func offsetOf(t *testing.T, id string) int {
	t.Helper()
	n, err := strconv.Atoi(id[strings.LastIndex(id, "-")+1:])
	require.NoError(t, err)
	return n
}
