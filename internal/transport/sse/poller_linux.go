package sse

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"carillon/internal/app/pubsub"
)

const (
	// lingerStep is how often connections that linger are looked at for having taken too long.
	lingerStep = 100 * time.Millisecond
	// lastLinger is how long they may take once the server stops.
	lastLinger = 2 * time.Second
)

// poller hears from the kernel which taken-over connections ended or have room again, and passes word to the streams'
// shards. It never touches the descriptor of a stream that lives. Connections that linger after their stream ended are
// its own.
type poller struct {
	epoll int
	bell  int // an eventfd that ends a wait

	mu        sync.Mutex // guards what follows, and the descriptors of lingering connections
	places    []place
	free      []int32
	lingering map[*conn]time.Time
	released  bool
}

// ticket tells the connection an event is for. A place is used again, its generation is not: an event that was under
// way when its connection was closed finds nobody.
type ticket struct{ place, generation int32 }

type place struct {
	conn       *conn
	generation int32
}

const (
	watchEnd  = unix.EPOLLRDHUP | unix.EPOLLET
	watchRoom = watchEnd | unix.EPOLLOUT
)

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("creating an epoll instance: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epoll)
		return nil, fmt.Errorf("creating an eventfd: %w", err)
	}
	p := &poller{epoll: epoll, bell: bell, lingering: make(map[*conn]time.Time)}
	p.places = append(p.places, place{generation: -1}) // the bell's own
	if err := p.control(unix.EPOLL_CTL_ADD, bell, ticket{generation: -1}, unix.EPOLLIN); err != nil {
		p.release()
		return nil, err
	}
	return p, nil
}

func (p *poller) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.released = true
	_ = unix.Close(p.epoll)
	_ = unix.Close(p.bell)
}

func (p *poller) control(op, fd int, t ticket, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: t.place, Pad: t.generation}
	if err := unix.EpollCtl(p.epoll, op, fd, &e); err != nil {
		return fmt.Errorf("watching a connection: %w", err)
	}
	return nil
}

// add watches a connection for its end.
func (p *poller) add(c *conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return pubsub.ErrDraining
	}
	if last := len(p.free) - 1; last >= 0 {
		c.ticket.place = p.free[last]
		p.free = p.free[:last]
	} else {
		c.ticket.place = int32(len(p.places))
		p.places = append(p.places, place{})
	}
	at := &p.places[c.ticket.place]
	at.conn = c
	c.ticket.generation = at.generation
	if err := p.control(unix.EPOLL_CTL_ADD, c.fd, c.ticket, watchEnd); err != nil {
		p.leave(c)
		return err
	}
	return nil
}

// awaitRoom has the stream told, once, when its socket can take more; at once where it already can.
func (p *poller) awaitRoom(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchRoom(c)
}

func (p *poller) watchRoom(c *conn) {
	if !p.released {
		// It can only fail for a descriptor that is not watched, and this one is until it is closed.
		_ = p.control(unix.EPOLL_CTL_MOD, c.fd, c.ticket, watchRoom)
	}
}

// close gives up the connection's place and descriptor.
func (p *poller) close(c *conn) {
	p.mu.Lock()
	p.leave(c)
	p.mu.Unlock()
	shut(c.fd)
}

// shut closes a descriptor, which also ends its watch: no other descriptor shares the connection. What the client sent
// and nobody read is read first, for the kernel would answer it with a reset, and the client could lose our last words.
func shut(fd int) {
	for range 16 {
		if n, err := unix.Read(fd, make([]byte, 4096)); n <= 0 || err != nil {
			break
		}
	}
	_ = unix.Close(fd)
}

func (p *poller) leave(c *conn) {
	at := &p.places[c.ticket.place]
	at.conn = nil
	at.generation++
	p.free = append(p.free, c.ticket.place)
}

// linger takes over a connection whose stream has ended but whose socket has not taken the last bytes.
func (p *poller) linger(c *conn, patience time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lingering[c] = time.Now().Add(patience)
	if p.released {
		p.dismiss(c)
		return
	}
	p.watchRoom(c)
	p.ring()
}

// ring ends a wait of the poller's goroutine.
func (p *poller) ring() {
	_, _ = unix.Write(p.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// run passes word until the context ends; then it sees to what lingers, for a moment, and closes itself.
func (p *poller) run(ctx context.Context) error {
	defer p.release()
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.released {
			p.ring()
		}
	})
	defer stop()
	events := make([]unix.EpollEvent, 256)
	for until := (time.Time{}); ; {
		n, err := unix.EpollWait(p.epoll, events, p.timeout())
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("waiting for connections: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			p.pass(ticket{place: e.Fd, generation: e.Pad}, e.Events)
		}
		if ctx.Err() != nil && until.IsZero() {
			until = time.Now().Add(lastLinger)
		}
		if p.sweep(until) == 0 && !until.IsZero() {
			return nil
		}
	}
}

func (p *poller) timeout() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lingering) == 0 {
		return -1
	}
	return int(lingerStep.Milliseconds())
}

// pass tells the stream, or the connection that lingers, what happened.
func (p *poller) pass(t ticket, events uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.places[t.place]
	switch {
	case t.place == 0:
		var count [8]byte
		_, _ = unix.Read(p.bell, count[:])
		return
	case at.generation != t.generation || at.conn == nil:
		return
	}
	if _, lingers := p.lingering[at.conn]; lingers {
		if err := at.conn.writeLeft(); err != nil || len(at.conn.rest) == 0 || events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			p.dismiss(at.conn)
		}
		return
	}
	stream := at.conn.stream
	switch {
	case events&unix.EPOLLERR != 0:
		stream.End(pubsub.EndFailed)
	case events&(unix.EPOLLRDHUP|unix.EPOLLHUP) != 0:
		stream.End(pubsub.EndGone)
	case events&unix.EPOLLOUT != 0:
		stream.Ready()
	}
}

// sweep closes the connections that lingered long enough, all of them after the time of the last, if one is set. It
// answers how many are left.
func (p *poller) sweep(last time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for c, until := range p.lingering {
		if now.After(until) || !last.IsZero() && now.After(last) {
			p.dismiss(c)
		}
	}
	return len(p.lingering)
}

func (p *poller) dismiss(c *conn) {
	delete(p.lingering, c)
	p.leave(c)
	shut(c.fd)
}
