//go:build linux

package disklog

import (
	"errors"
	"os"
	"syscall"
)

// BreakFile makes every further write to the file fail: its descriptor becomes one for reading only.
func (l *Log) BreakFile() error {
	f, err := os.Open(l.file.handle.Name())
	if err != nil {
		return err
	}
	return errors.Join(syscall.Dup3(int(f.Fd()), int(l.file.handle.Fd()), syscall.O_CLOEXEC), f.Close())
}
