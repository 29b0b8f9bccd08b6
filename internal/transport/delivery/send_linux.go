package delivery

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendNow sends as much as the socket takes without blocking. Every delivery makes this call, so it is a direct system
// call: send(2) avoids the file layer that write(2) goes through, and a call that cannot block need not tell Go's
// scheduler that it might. b must not be empty.
func sendNow(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), //nolint:gosec // the address is used during the call only
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
