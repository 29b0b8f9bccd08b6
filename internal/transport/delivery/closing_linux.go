package delivery

import (
	"time"

	"golang.org/x/sys/unix"
)

// closingCheckInterval is how often the deadlines of closing connections are checked.
const closingCheckInterval = 100 * time.Millisecond

// close removes a connection from the poller and closes its descriptor.
func (p *poller) close(c *conn) {
	p.mu.Lock()
	p.slots.remove(c.slot)
	p.mu.Unlock()
	closeFD(c.fd)
}

// closeWhenSent makes the poller the owner of a connection whose stream has ended but whose socket has not taken the
// last bytes. It is closed once it has, or after the timeout.
func (p *poller) closeWhenSent(c *conn, timeout time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing[c] = time.Now().Add(timeout)
	if p.released {
		p.finishClosing(c)
		return
	}
	p.watchWritable(c)
	p.wake() // the wait may have no timeout yet
}

// continueClosing sends more of a closing connection's last bytes, and closes it once there are none or it is broken.
func (p *poller) continueClosing(c *conn, events uint32) {
	if err := c.writeUnsent(); err != nil || len(c.unsent) == 0 || events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		p.finishClosing(c)
	}
}

func (p *poller) finishClosing(c *conn) {
	delete(p.closing, c)
	p.slots.remove(c.slot)
	closeFD(c.fd)
}

// closeExpired closes the connections whose timeout is over, and all of them after the deadline unless it is zero. It
// returns how many are still closing.
func (p *poller) closeExpired(deadline time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for c, expires := range p.closing {
		if now.After(expires) || !deadline.IsZero() && now.After(deadline) {
			p.finishClosing(c)
		}
	}
	return len(p.closing)
}

// timeout returns how many milliseconds the poller may wait for an event, or -1 for no limit.
func (p *poller) timeout() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.closing) == 0 {
		return -1
	}
	return int(closingCheckInterval.Milliseconds())
}

// closeFD closes a descriptor, which also ends its watch: no other descriptor shares the connection. What the client
// sent and nobody read is read first: otherwise the kernel would send a reset, and the client could lose our last
// bytes.
func closeFD(fd int) {
	for range 16 {
		if n, err := unix.Read(fd, make([]byte, 4096)); n <= 0 || err != nil {
			break
		}
	}
	_ = unix.Close(fd)
}
