package delivery

import (
	"context"
	"sync"
	"time"

	"carillon/internal/app/pubsub"
)

// lingerTimeout is how long a connection stays open for reading after its last byte was written. Closing a connection
// with bytes that nobody has read makes the kernel send a reset, and the client could lose our last bytes.
const lingerTimeout = 500 * time.Millisecond

// hijacks are the connections that have left net/http and have goroutines.
type hijacks struct {
	running sync.WaitGroup // connections whose goroutines have not ended

	mu      sync.Mutex // guards what follows
	conns   map[*hijackedConn]struct{}
	stopped bool
}

func (h *hijacks) add(c *hijackedConn) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return pubsub.ErrDraining
	}
	h.conns[c] = struct{}{}
	h.running.Add(1)
	return nil
}

// remove is the last thing that a connection's goroutines do.
func (h *hijacks) remove(c *hijackedConn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
	h.running.Done()
}

// run waits until the context ends, and then until there are no connections. It closes those that are left after
// [shutdownTimeout].
func (h *hijacks) run(ctx context.Context) {
	<-ctx.Done()
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	closing := time.AfterFunc(shutdownTimeout, h.abort)
	defer closing.Stop()
	h.running.Wait()
}

func (h *hijacks) abort() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		c.abort()
	}
}
