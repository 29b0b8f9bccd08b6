package delivery

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"carillon/internal/app/pubsub"
)

// poller waits until taken-over connections end or can take more, and notifies the streams' shards. It never uses the
// descriptor of a running stream. It owns the connections whose stream ended before their last bytes were sent.
type poller struct {
	epoll  int
	wakeFD int // an eventfd that ends a wait

	mu       sync.Mutex // guards what follows, and the descriptors of connections in closing
	slots    slots
	closing  map[*conn]time.Time // connections that are sent their last bytes, and until when
	released bool
}

const (
	watchEnd      = unix.EPOLLRDHUP | unix.EPOLLET
	watchWritable = watchEnd | unix.EPOLLOUT
)

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("creating an epoll instance: %w", err)
	}
	wakeFD, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epoll)
		return nil, fmt.Errorf("creating an eventfd: %w", err)
	}
	p := &poller{epoll: epoll, wakeFD: wakeFD, slots: newSlots(), closing: make(map[*conn]time.Time)}
	if err := p.control(unix.EPOLL_CTL_ADD, wakeFD, wakeSlot, unix.EPOLLIN); err != nil {
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
	_ = unix.Close(p.wakeFD)
}

func (p *poller) control(op, fd int, id slotID, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: id.index, Pad: id.generation}
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
	c.slot = p.slots.add(c)
	if err := p.control(unix.EPOLL_CTL_ADD, c.fd, c.slot, watchEnd); err != nil {
		p.slots.remove(c.slot)
		return err
	}
	return nil
}

// notifyWritable requests one notification of the stream when its socket can take more, which may be at once.
func (p *poller) notifyWritable(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchWritable(c)
}

func (p *poller) watchWritable(c *conn) {
	if !p.released {
		// It can only fail for a descriptor that is not watched, and this one is until it is closed.
		_ = p.control(unix.EPOLL_CTL_MOD, c.fd, c.slot, watchWritable)
	}
}

// wake ends a wait of the poller's goroutine.
func (p *poller) wake() {
	_, _ = unix.Write(p.wakeFD, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// run notifies streams until the context ends; then it gives the closing connections [shutdownTimeout] and releases the
// descriptors.
func (p *poller) run(ctx context.Context) error {
	defer p.release()
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.released {
			p.wake()
		}
	})
	defer stop()
	events := make([]unix.EpollEvent, 256)
	for deadline := (time.Time{}); ; {
		n, err := unix.EpollWait(p.epoll, events, p.timeout())
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("waiting for connections: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			p.dispatch(slotID{index: e.Fd, generation: e.Pad}, e.Events)
		}
		if ctx.Err() != nil && deadline.IsZero() {
			deadline = time.Now().Add(shutdownTimeout)
		}
		if p.closeExpired(deadline) == 0 && !deadline.IsZero() {
			return nil
		}
	}
}

// dispatch notifies a stream of what happened to its connection, or continues to close it.
func (p *poller) dispatch(id slotID, events uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id == wakeSlot {
		var count [8]byte
		_, _ = unix.Read(p.wakeFD, count[:])
		return
	}
	c := p.slots.conn(id)
	if c == nil {
		return
	}
	if _, closing := p.closing[c]; closing {
		p.continueClosing(c, events)
		return
	}
	switch {
	case events&unix.EPOLLERR != 0:
		c.body.stream.End(pubsub.EndFailed)
	case events&(unix.EPOLLRDHUP|unix.EPOLLHUP) != 0:
		c.body.stream.End(pubsub.EndGone)
	case events&unix.EPOLLOUT != 0:
		c.body.stream.Ready()
	}
}
