package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// manager is the service manager that started the process, where it wants to hear from it (sd_notify(3)).
type manager struct{ socket string }

// newManager reads where the manager listens. Its variables are taken away, so that no child of ours talks to it.
func newManager() (m manager, watchdog time.Duration) {
	m.socket = os.Getenv("NOTIFY_SOCKET")
	if pid := os.Getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if micros, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && micros > 0 {
			watchdog = time.Duration(micros) * time.Microsecond / 2
		}
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		_ = os.Unsetenv(name) // it can only fail for a name that is none
	}
	return m, watchdog
}

// tell sends a state, such as READY=1. A manager that does not listen is no reason to fail.
func (m manager) tell(state string) error {
	if m.socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	return nil
}
