//go:build unix

package server

import (
	"math"

	"golang.org/x/sys/unix"
)

// fileLimit returns how many files the process may have open; ok is false where the system has no such limit. The Go
// runtime raises the soft limit to the hard limit at its start.
func fileLimit() (limit int, ok bool) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil || r.Cur > math.MaxInt32 {
		return 0, false
	}
	return int(r.Cur), true
}
