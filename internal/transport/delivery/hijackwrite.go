package delivery

import (
	"slices"
	"time"
)

// run writes until the mailbox is empty or the stream has ended.
func (c *hijackedConn) run() {
	var frames [][]byte
	for {
		var ended, more bool
		frames, ended, more = c.take(frames)
		if !more {
			return
		}
		if err := c.send(frames); err != nil {
			c.lost(reasonOf(err))
		}
		if ended {
			c.finish()
			return
		}
	}
}

// send writes chunks, several in one call, unless the client is gone.
func (c *hijackedConn) send(chunks [][]byte) error {
	for len(chunks) > 0 && !c.isGone() {
		n, size := 1, len(chunks[0])
		for n < len(chunks) && size+len(chunks[n]) <= maxWrite {
			size += len(chunks[n])
			n++
		}
		if err := c.sendTogether(chunks[:n]); err != nil {
			return err
		}
		chunks = chunks[n:]
	}
	return nil
}

func (c *hijackedConn) sendTogether(chunks [][]byte) error {
	if len(chunks) == 1 {
		return c.write(chunks[0])
	}
	batches := &c.body.transport.server.batches
	b := batches.get()
	defer batches.put(b)
	b.chunks = append(b.chunks, chunks...)
	return c.write(b.content())
}

// write writes to a client that must take some of it within each timeout.
func (c *hijackedConn) write(content []byte) error {
	for piece := range slices.Chunk(content, maxWrite) {
		n, err := c.writePiece(piece)
		c.count(n)
		if err != nil {
			return err
		}
	}
	return nil
}

// writePiece leaves no deadline behind: TLS answers a request for new keys, whenever it reads one, with a write of its
// own, and a deadline that had passed would make that fail and break the connection.
func (c *hijackedConn) writePiece(b []byte) (int, error) {
	_ = c.conn.SetWriteDeadline(time.Now().Add(c.body.transport.server.cfg.WriteTimeout)) // it fails only if the write does
	n, err := c.conn.Write(b)
	_ = c.conn.SetWriteDeadline(time.Time{}) // likewise
	return n, err
}

func (c *hijackedConn) count(bytes int) {
	c.bytes += int64(bytes)
	c.body.transport.counters.bytes.Add(int64(bytes))
}
