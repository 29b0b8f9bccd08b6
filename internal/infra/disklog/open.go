package disklog

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"carillon/internal/domain/event"
)

// Opening says what [Open] found and did, for a log record.
type Opening struct {
	Created       bool // the directory held no log
	LostCommit    bool // the newest transaction was torn by a crash and undone; nothing in it had been acknowledged
	Entries       int
	Keys          int
	FileBytes     int64
	CompactedFrom int64 // size of the file before it was written anew; zero if it was not
}

// epochLength is enough letters and digits (40 bits) for no two logs to share an epoch by accident, and few enough to be
// sent with every event.
const epochLength = 8

// compactTx is how many bytes are copied in one transaction.
const compactTx = 4 << 20

// Open opens the log in a directory, or creates both. It reads and checks the whole file. Its errors match [ErrInUse]
// when another process has the log open and [ErrDamaged] when the file is damaged; it changes nothing then.
//
// The log commits while [Log.Run] runs. It is to be closed by [Log.Close].
func Open(cfg Config) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("history.disk.path: %w", err)
	}
	return l, nil
}

func open(cfg Config) (*Log, error) {
	if err := makeDirectory(cfg.Path); err != nil {
		return nil, err
	}
	path := filepath.Join(cfg.Path, fileName)
	var opening Opening
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		opening.Created = true
		if err := createFile(cfg.Path, event.Epoch(strings.ToLower(rand.Text()[:epochLength]))); err != nil {
			return nil, fmt.Errorf("cannot create %s: %w", path, err)
		}
	}
	l := newLog(cfg)
	found, err := l.load(path)
	if err != nil {
		return nil, err
	}
	f, err := openFile(path, false)
	if err != nil {
		return nil, err
	}
	l.file = f
	if err := l.settle(found, opening); err != nil {
		return nil, errors.Join(err, l.file.db.Close())
	}
	return l, nil
}

// load reads the file into the tables. It opens the file for reading only: to open it for writing, bbolt walks the tree
// in a goroutine of its own, where a damaged page would end the process.
func (l *Log) load(path string) (content, error) {
	f, err := openFile(path, true)
	if err != nil {
		return content{}, err
	}
	now := l.clock.now()
	started := false
	start := func(offset uint64) { // with the first entry
		if !started {
			started, l.history.first, l.history.next = true, offset, offset
		}
	}
	c, err := scan(f.db, visitor{
		entry: func(offset uint64, record []byte) error {
			start(offset)
			l.wall = max(l.wall, recordTime(record))
			l.history.push(appended{at: min(recordTime(record), now), size: recordSize(record)})
			return nil
		},
		key: func(key event.Key, f first, at int64) error {
			l.keys.remember(key, f, min(at, now))
			return nil
		},
	})
	if err = errors.Join(err, f.db.Close()); err != nil {
		return content{}, fmt.Errorf("%s: %w", path, err)
	}
	start(c.state.next)
	for l.history.first < c.state.first { // trimmed before the last transaction
		l.history.drop()
	}
	l.epoch, l.oldestOnDisk = c.epoch, c.oldest
	l.history.trim(now)
	l.keys.trim(now)
	return c, nil
}

// settle cleans up after an earlier process, and writes the file anew when it is much larger than its content. The file
// is locked, so what is there is nobody's.
func (l *Log) settle(found content, opening Opening) error {
	leftover, err := filepath.Glob(filepath.Join(l.cfg.Path, "carillon.db.*"))
	if err != nil {
		return err
	}
	for _, name := range leftover {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	size, err := l.FileBytes()
	if err != nil {
		return err
	}
	if opening.LostCommit, err = lostCommit(l.file); err != nil {
		return err
	}
	if worthCompacting(size, found.bytes) {
		// A disk without room for the copy must not keep the server from starting.
		if err := l.compact(); err == nil {
			opening.CompactedFrom = size
		} else if !diskFull(err) {
			return fmt.Errorf("cannot compact: %w", err)
		}
	}
	opening.Entries, opening.Keys = l.history.kept.length(), l.keys.queue.length()
	if opening.FileBytes, err = l.FileBytes(); err != nil {
		return err
	}
	l.opening = opening
	return nil
}

// worthCompacting reports whether a file is much larger than its content.
func worthCompacting(size, content int64) bool { return size > 3*content+(32<<20) }

// compact copies the file and puts the copy in its place. The copy is locked before it has the file's name, so no other
// process can come between.
func (l *Log) compact() error {
	name := filepath.Join(l.cfg.Path, compactFile)
	defer func() { _ = os.Remove(name) }()
	next := &file{}
	options := boltOptions(false)
	options.NoSync = true
	options.OpenFile = func(name string, flag int, mode fs.FileMode) (_ *os.File, err error) {
		next.handle, err = os.OpenFile(name, flag|os.O_EXCL, mode)
		return next.handle, err
	}
	var err error
	if next.db, err = bbolt.Open(name, 0o600, options); err != nil {
		return err
	}
	err = bbolt.Compact(next.db, l.file.db, compactTx)
	if err == nil {
		next.db.NoSync = false
		err = next.handle.Sync()
	}
	if err == nil {
		err = os.Rename(name, filepath.Join(l.cfg.Path, fileName))
	}
	if err != nil {
		return errors.Join(err, next.db.Close())
	}
	old := l.file
	l.file = next
	return errors.Join(syncDirectory(l.cfg.Path), old.db.Close())
}

// clock tells the time in nanoseconds since 1970, from the wall clock when it was made and the monotonic clock since.
type clock struct {
	start time.Time
}

func (c clock) now() int64 { return c.start.UnixNano() + int64(time.Since(c.start)) }
