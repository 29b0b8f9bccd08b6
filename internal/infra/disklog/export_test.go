package disklog

import (
	"errors"
	"os"
	"syscall"

	"carillon/internal/domain/event"
)

// FileName is the name of the file in a log's directory.
const FileName = fileName

// BreakFile makes every further write to the file fail: its descriptor becomes one for reading only.
func (l *Log) BreakFile() error {
	f, err := os.Open(l.file.handle.Name())
	if err != nil {
		return err
	}
	return errors.Join(syscall.Dup3(int(f.Fd()), int(l.file.handle.Fd()), syscall.O_CLOEXEC), f.Close())
}

// EncodeEntry returns the record of an entry.
func EncodeEntry(e event.Entry) []byte {
	record := encodeEvent(e.Event)
	finish(record, e.Position.Offset, e.Time.UnixNano())
	return record
}

// DecodeEntry reads a record.
var DecodeEntry = decodeEntry

// SealEntry corrects the checksum of a record.
var SealEntry = seal
