package disklog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"carillon/internal/domain/event"
)

// Info describes a log on disk.
type Info struct {
	Epoch     event.Epoch
	Oldest    uint64 // as of the last transaction: entries may have become too old since
	Newest    uint64
	Entries   uint64
	Keys      int // idempotency keys in the file
	FileBytes int64
}

// Inspect reads what a log's directory holds, without changing it. It fails with [ErrInUse] while a server has the log
// open.
func Inspect(dir string) (info Info, err error) {
	err = readOnly(dir, func(f *file) error {
		stat, err := f.handle.Stat()
		if err != nil {
			return err
		}
		return guard(func() error {
			return f.db.View(func(tx *bbolt.Tx) error {
				epoch, s, err := readMeta(tx)
				if err != nil {
					return err
				}
				info = Info{
					Epoch: epoch, Oldest: s.first, Newest: s.next - 1, Entries: s.next - s.first,
					Keys: tx.Bucket(keysBucket).Stats().KeyN, FileBytes: stat.Size(),
				}
				return nil
			})
		})
	})
	return info, err
}

// Check reads a log's directory without changing it and verifies all of it: checksums, dense offsets, that each entry is
// an event, and bbolt's own structure. It fails with [ErrInUse] while a server has the log open and with [ErrDamaged]
// when the file is damaged.
func Check(dir string) error {
	return readOnly(dir, func(f *file) error {
		_, err := scan(f.db, visitor{
			entry: func(offset uint64, record []byte) error {
				_, err := decodeEntry("", offset, record)
				return err
			},
			key: func(event.Key, first, int64) error { return nil },
		})
		if err != nil {
			return err // bbolt's check must not see a page that would make it panic in a goroutine of its own
		}
		return f.db.View(func(tx *bbolt.Tx) error {
			var problems []error
			for problem := range tx.Check() {
				problems = append(problems, fmt.Errorf("%w: %w", ErrDamaged, problem))
			}
			return errors.Join(problems...)
		})
	})
}

// readOnly opens a directory's file for reading and closes it again.
func readOnly(dir string, read func(*file) error) error {
	path := filepath.Join(dir, fileName)
	if _, err := os.Stat(path); err != nil {
		return err
	}
	f, err := openFile(path, true)
	if err != nil {
		return err
	}
	if err := errors.Join(read(f), f.db.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
