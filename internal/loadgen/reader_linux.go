package loadgen

import (
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// reader reads all plain streams from one goroutine, and those under TLS from one each.
type reader struct {
	streams *subscribers
	epoll   int
	quit    chan struct{}
	running sync.WaitGroup
	mu      sync.Mutex
	byFD    map[int32]*subscriber
}

// pollStep is how often the reader checks whether to stop.
const pollStep = 50 * time.Millisecond

func (r *reader) start(s *subscribers) (err error) {
	r.streams, r.quit, r.byFD = s, make(chan struct{}), make(map[int32]*subscriber)
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("creating an epoll instance: %w", err)
	}
	r.running.Go(r.run)
	return nil
}

func (r *reader) stop() { close(r.quit) }

func (r *reader) wait() {
	r.running.Wait()
	for _, one := range r.byFD {
		_ = unix.Close(one.fd)
	}
	_ = unix.Close(r.epoll)
}

// read takes over the descriptor of a plain stream, because net.Conn would need a goroutine for each stream.
func (r *reader) read(one *subscriber) error {
	tcp, plain := one.conn.(*net.TCPConn)
	if !plain {
		r.running.Go(func() { r.streams.readWithGo(one, one.conn) })
		return nil
	}
	control, err := tcp.SyscallConn()
	if err != nil {
		return fmt.Errorf("accessing a descriptor: %w", err)
	}
	var dupErr error
	if err := control.Control(func(fd uintptr) { one.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return fmt.Errorf("accessing a descriptor: %w", err)
	}
	if dupErr != nil {
		return fmt.Errorf("duplicating a descriptor: %w", dupErr)
	}
	_ = one.conn.Close()
	one.conn = nil
	r.mu.Lock()
	r.byFD[int32(one.fd)] = one
	r.mu.Unlock()
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(one.fd)}
	if err := unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, one.fd, &e); err != nil {
		return fmt.Errorf("watching a stream: %w", err)
	}
	return nil
}

func (r *reader) run() {
	events := make([]unix.EpollEvent, 512)
	buffer := make([]byte, readBuffer)
	for {
		select {
		case <-r.quit:
			return
		default:
		}
		n, _ := unix.EpollWait(r.epoll, events, int(pollStep.Milliseconds()))
		if n <= 0 {
			continue
		}
		now := time.Now()
		r.streams.mu.Lock()
		r.mu.Lock()
		for _, e := range events[:n] {
			r.readOne(r.byFD[e.Fd], buffer, now)
		}
		r.mu.Unlock()
		r.streams.mu.Unlock()
	}
}

func (r *reader) readOne(one *subscriber, buffer []byte, now time.Time) {
	n, err := unix.Read(one.fd, buffer)
	switch {
	case n > 0:
		r.streams.take(one, buffer[:n], now)
	case err == unix.EAGAIN || err == unix.EINTR:
	default:
		r.streams.ended.Add(1)
		_ = unix.EpollCtl(r.epoll, unix.EPOLL_CTL_DEL, one.fd, nil)
	}
}
