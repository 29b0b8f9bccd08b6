// Package sockopt sets the TCP options that streams need: a bound on the time until a lost peer is noticed, and a bound
// on what the kernel buffers for a peer that does not read.
//
// It changes only TCP connections, also those below TLS, and leaves every other one as it is. Where the platform lacks
// an option, the connection works without it.
package sockopt

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Options are the options to set. A zero value leaves the system's default.
type Options struct {
	// DeadAfter is how long sent data may stay unacknowledged before the kernel closes the connection (RFC 5482).
	// Keepalive does not do this while data is in flight. Set on Linux only; rounded up to milliseconds.
	DeadAfter time.Duration `mapstructure:"dead_after"`
	// SendBuffer is how many bytes the kernel may buffer for a slow reader. Linux doubles it for its bookkeeping.
	SendBuffer int `mapstructure:"send_buffer"`
}

// Validate returns an error that names the first key whose value is out of range. The keys are under "stream".
func (o Options) Validate() error {
	switch {
	case o.DeadAfter != 0 && (o.DeadAfter < time.Second || o.DeadAfter > time.Hour):
		return fmt.Errorf("stream.dead_after: must be between 1s and 1h, or 0s for the system default (got %s)", o.DeadAfter)
	case o.SendBuffer != 0 && (o.SendBuffer < 4096 || o.SendBuffer > 1<<24):
		return fmt.Errorf("stream.send_buffer: must be between 4096 and %d bytes, or 0 for the system default (got %d)", 1<<24, o.SendBuffer)
	}
	return nil
}

// Tune sets the options on a connection. It tries each option even if another one fails; the error names those that
// failed.
func Tune(conn net.Conn, o Options) error {
	tcp := tcpOf(conn)
	if tcp == nil {
		return nil
	}
	var errs []error
	if o.DeadAfter > 0 {
		if err := setUserTimeout(tcp, o.DeadAfter); err != nil {
			errs = append(errs, fmt.Errorf("setting TCP_USER_TIMEOUT: %w", err))
		}
	}
	if o.SendBuffer > 0 {
		if err := tcp.SetWriteBuffer(o.SendBuffer); err != nil {
			errs = append(errs, fmt.Errorf("setting the send buffer: %w", err))
		}
	}
	return errors.Join(errs...)
}

// tcpOf returns the TCP connection below wrappers such as TLS, and nil where there is none.
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
