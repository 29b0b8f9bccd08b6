package delivery

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"carillon/internal/app/pubsub"
)

// hijackedConn is the sink of an HTTP/1.1 connection that has left net/http but that the poller cannot watch: one with
// TLS, or any on platforms without a poller. One goroutine reads, to notice the client's end. Another one writes; it
// exists only while there is something to write.
type hijackedConn struct {
	mailbox

	conn  net.Conn
	bytes int64 // used by the writing goroutine

	// What follows is guarded by the mailbox's mutex.

	gone     bool // the client can no longer be reached
	finished bool // nothing more will be written
	unread   bool // the reading goroutine has stopped, but the connection has not ended
	active   int  // goroutines that still use the connection; the writing one counts until the stream has ended
}

// hijack takes the connection from net/http, whose buffers and goroutines for a request cost more than the stream, and
// returns once the opening is written. It returns [http.ErrNotSupported] when nothing has happened to the connection
// yet.
func (t *Transport) hijack(w http.ResponseWriter, r *http.Request, b body, stream *pubsub.Stream, observer Observer) error {
	header := w.Header()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fmt.Errorf("taking the connection from net/http: %w", http.ErrNotSupported)
	}
	c := &hijackedConn{mailbox: mailbox{observer: observer, chunked: true, body: b}, conn: conn, active: 2}
	c.start = func() { go c.run() }
	if err := t.server.hijacks.add(c); err != nil {
		c.abort()
		return err
	}
	attached := false
	defer func() {
		if !attached { // because of a failed write or of a panic, after which net/http leaves the connection open
			c.abort()
			t.server.hijacks.remove(c)
		}
	}()
	head := responseHead(header)
	n, err := c.writePiece(appendChunk(head, c.body.first(t.Opening(stream))))
	c.count(max(n-len(head), 0))
	if err != nil {
		observer.Ended(Summary{Bytes: c.bytes, Reason: reasonOf(err)})
		return nil
	}
	t.counters.open[writtenPath(r)].Add(1)
	attached = true
	stream.Attach(c)
	go c.read(make([]byte, idleReadSize))
	return nil
}

// lost ends the stream because its client can no longer be reached.
func (c *hijackedConn) lost(reason pubsub.EndReason) {
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
	c.body.stream.End(reason) // which does nothing if the stream has ended
}

func (c *hijackedConn) isGone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// finish reports the stream's end after its last byte was written, and makes the reading goroutine end.
func (c *hijackedConn) finish() {
	c.mu.Lock()
	c.finished = true
	summary := Summary{Events: c.events, Bytes: c.bytes, Reason: c.ended}
	gone, unread := c.gone || isLost(c.ended), c.unread
	c.mu.Unlock()
	c.body.transport.counters.open[writtenHTTP1].Add(-1)
	c.observer.Ended(summary)
	if gone || c.endWriting() != nil {
		c.abort()
	}
	c.leave()
	if unread {
		c.read(make([]byte, lingerReadSize))
	}
}

// leave closes the connection when neither goroutine uses it any more.
func (c *hijackedConn) leave() {
	c.mu.Lock()
	c.active--
	last := c.active == 0
	c.mu.Unlock()
	if last {
		c.abort()
		c.body.transport.server.hijacks.remove(c)
	}
}

// abort closes the connection without a last TLS record, which a client that takes nothing would delay. Where the
// stream's end was written, that record has been too.
func (c *hijackedConn) abort() {
	conn := c.conn
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn()
	}
	_ = conn.Close() // its error adds nothing
}

// endWriting sends the end of the server's side, and limits how long the client may take to send that of its own.
func (c *hijackedConn) endWriting() error {
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("ending one side of a %T: %w", c.conn, http.ErrNotSupported)
	}
	if err := half.CloseWrite(); err != nil {
		return fmt.Errorf("ending the server's side: %w", err)
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(lingerTimeout)); err != nil {
		return fmt.Errorf("limiting the wait for the client's end: %w", err)
	}
	return nil
}
