//go:build unix

package main

import (
	"math"

	"golang.org/x/sys/unix"
)

// fileLimit is how many files the process may have open; ok is false where the system has no such limit. The Go runtime
// has raised the soft limit to the hard one by then.
func fileLimit() (limit int, ok bool) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil || r.Cur > math.MaxInt32 {
		return 0, false
	}
	return int(r.Cur), true
}
