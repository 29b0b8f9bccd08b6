//go:build !linux

package sockopt

import (
	"net"
	"time"
)

// setUserTimeout does nothing: dead peers are found by the system's own retransmission limit, minutes later.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }
