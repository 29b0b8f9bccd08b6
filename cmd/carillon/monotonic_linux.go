package main

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// reloading says that a reload begins, with the time by which a manager tells it from an older one.
func reloading() string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return "RELOADING=1"
	}
	return "RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(now.Nano()/1000, 10)
}
