package tcpconn

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Wrap returns a [*Conn] for a TCP connection, and any other connection as it is.
func Wrap(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c // it is closed, which its next use reports
	}
	conn := &Conn{TCPConn: tcp, raw: raw}
	conn.reading.step, conn.writing.step = conn.reading.receive, conn.writing.send
	return conn
}

// Conn is a TCP connection with direct reads and writes. Its methods may be called concurrently.
type Conn struct {
	*net.TCPConn

	raw     syscall.RawConn
	reading transfer
	writing transfer
}

// transfer is a read or a write in progress.
type transfer struct {
	mu   sync.Mutex
	buf  []byte
	done int // how many bytes of buf were transferred
	err  error
	step func(fd uintptr) bool // reports false when the descriptor must become ready first
}

// NetConn returns the connection whose reads and writes are not direct.
func (c *Conn) NetConn() net.Conn { return c.TCPConn }

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.reading.run(p, c.raw.Read)
	if err != nil {
		return n, c.failure("read", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.writing.run(p, c.raw.Write)
	if err != nil {
		return n, c.failure("write", err)
	}
	return n, nil
}

// run transfers p with steps of which wait calls one whenever the descriptor is ready.
func (t *transfer) run(p []byte, wait func(func(uintptr) bool) error) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf, t.done, t.err = p, 0, nil
	err := wait(t.step)
	t.buf = nil
	if err == nil {
		err = t.err
	}
	return t.done, err
}

// receive reads once, as much as there is.
func (t *transfer) receive(fd uintptr) bool {
	n, err := call(unix.SYS_RECVFROM, fd, t.buf, unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) {
		return false
	}
	t.done = n
	t.err = os.NewSyscallError("read", err)
	return true
}

// send writes until everything is written.
func (t *transfer) send(fd uintptr) bool {
	for t.done < len(t.buf) {
		n, err := Send(int(fd), t.buf[t.done:])
		if errors.Is(err, unix.EAGAIN) {
			return false
		}
		if err != nil {
			t.err = os.NewSyscallError("write", err)
			return true
		}
		t.done += n
	}
	return true
}

// call makes a system call that transfers p, which is not empty, and does not block.
func call(trap, fd uintptr, p []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), flags, 0, 0) //nolint:gosec // the address is used during the call only
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// Send writes as much of p, which is not empty, as the descriptor of a socket takes without blocking. It fails with
// [unix.EAGAIN] when it takes nothing now.
func Send(fd int, p []byte) (int, error) {
	return call(unix.SYS_SENDTO, uintptr(fd), p, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

// failure returns an error as the net package reports it.
func (c *Conn) failure(op string, err error) error {
	if waiting, ok := err.(*net.OpError); ok { //nolint:errorlint // [syscall.RawConn] of a connection returns no other
		err = waiting.Err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
