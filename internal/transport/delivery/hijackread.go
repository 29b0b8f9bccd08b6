package delivery

const (
	// maxInput is how many bytes that a client sends on a running stream are read and discarded. Then the connection is
	// not read any more, as one that the poller watches never is: the kernel stops a client that goes on, and it costs
	// nothing. Only writes notice then that it has left.
	maxInput = 64 << 10
	// idleReadSize is the buffer of each idle stream. Clients send nothing.
	idleReadSize = 64
	// lingerReadSize is the buffer for what a client that sent too much has sent until its stream ended.
	lingerReadSize = 4 << 10
)

// read waits until the client ends the connection. What the client sends is discarded: requests on a stream are not
// answered.
func (c *hijackedConn) read(discarded []byte) {
	for total := 0; ; {
		n, err := c.conn.Read(discarded)
		if err != nil {
			c.lost(reasonOf(err))
			c.leave()
			return
		}
		if total += n; total >= maxInput && c.stopReading() {
			return
		}
	}
}

// stopReading leaves the rest to [hijackedConn.finish], unless that has begun.
func (c *hijackedConn) stopReading() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unread = !c.finished
	return c.unread
}
