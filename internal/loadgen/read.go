package loadgen

import (
	"io"
	"net"
	"time"
)

// readBuffer is the size of a read.
const readBuffer = 64 << 10

// stall reduces the receive buffer, so that a stream that is never read fills up soon.
func stall(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4096)
	}
}

// readWithGo reads a stream until it ends. Each stream needs a goroutine of its own for it.
func (s *subscribers) readWithGo(one *subscriber, from io.Reader) {
	buffer := make([]byte, readBuffer)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			s.mu.Lock()
			s.take(one, buffer[:n], time.Now())
			s.mu.Unlock()
		}
		if err != nil {
			s.ended.Add(1)
			return
		}
	}
}
