// Package tcpconn reads and writes TCP connections with direct system calls.
//
// The descriptor of a net.Conn never blocks, but the net package tells Go's scheduler before and after each system call
// that it might. In a process that was idle this wakes the scheduler's monitor thread, which then polls for some time:
// for a short request on a machine with idle processors that is a third of its cost. A [Conn] makes the calls without
// telling the scheduler, and waits in Go's network poller, as any other connection, when there is nothing to read or no
// room to write.
//
// On platforms other than Linux, connections stay as they are.
package tcpconn

import "net"

// Listen returns a listener that accepts the connections of l as [Wrap] returns them.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return Wrap(c), nil
}
