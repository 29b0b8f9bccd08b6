//go:build !linux

package tcpconn

import "net"

// Wrap returns the connection itself.
func Wrap(c net.Conn) net.Conn { return c }
