// Package sockopt sets what an accepted TCP connection needs for streams: a bound on how long a peer that vanished goes
// unnoticed, and a bound on what the kernel buffers for one that does not read.
//
// It promises to touch only TCP connections, also below TLS, and to leave every other one as it is. Where the platform
// has no such option, the connection works without it.
package sockopt

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Options are what to set. The zero value of each leaves the system's own.
type Options struct {
	// DeadAfter is how long sent data may stay unacknowledged before the kernel gives the connection up (RFC 5482).
	// Keepalive does not do this while data is on its way. Set on Linux only; rounded up to milliseconds.
	DeadAfter time.Duration `mapstructure:"dead_after"`
	// SendBuffer is how many bytes the kernel may hold for a reader that is slow. Linux doubles it for its own books.
	SendBuffer int `mapstructure:"send_buffer"`
}

// Validate names the first key that is out of range; the keys live under "stream".
func (o Options) Validate() error {
	switch {
	case o.DeadAfter != 0 && (o.DeadAfter < time.Second || o.DeadAfter > time.Hour):
		return fmt.Errorf("stream.dead_after: got %s, takes a duration from 1s to 1h, or 0s to leave it to the system", o.DeadAfter)
	case o.SendBuffer != 0 && (o.SendBuffer < 4096 || o.SendBuffer > 1<<24):
		return fmt.Errorf("stream.send_buffer: got %d, takes a number of bytes from 4096 to %d, or 0 to leave it to the system", o.SendBuffer, 1<<24)
	}
	return nil
}

// Tune sets the options on a connection. An error says which option could not be set; the other is set all the same.
func Tune(conn net.Conn, o Options) error {
	tcp := tcpOf(conn)
	if tcp == nil {
		return nil
	}
	var errs []error
	if o.DeadAfter > 0 {
		if err := setUserTimeout(tcp, o.DeadAfter); err != nil {
			errs = append(errs, fmt.Errorf("setting how long a peer may be silent: %w", err))
		}
	}
	if o.SendBuffer > 0 {
		if err := tcp.SetWriteBuffer(o.SendBuffer); err != nil {
			errs = append(errs, fmt.Errorf("setting the send buffer: %w", err))
		}
	}
	return errors.Join(errs...)
}

// tcpOf finds the TCP connection below wrappers such as TLS; nil where there is none.
func tcpOf(conn net.Conn) *net.TCPConn {
	for {
		switch c := conn.(type) {
		case *net.TCPConn:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}
