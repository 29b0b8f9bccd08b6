package disklog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"carillon/internal/domain/event"
)

// Errors of opening and checking a log's directory.
var (
	// ErrInUse means that another process, usually a running server, has the log open.
	ErrInUse = errors.New("in use by another process")
	// ErrDamaged means that the file does not hold what was written to it.
	ErrDamaged = errors.New("damaged")
)

const (
	fileName    = "carillon.db"
	newFile     = "carillon.db.new-*"   // a file that is being created
	compactFile = "carillon.db.compact" // a smaller copy that is being written

	formatVersion = 2                      // since keys are stored with fingerprints
	lockTimeout   = 500 * time.Millisecond // long enough for a server that is just closing the file
)

// Buckets of the file, and the keys in the bucket meta.
var (
	metaBucket    = []byte("meta")
	entriesBucket = []byte("entries")
	keysBucket    = []byte("keys")
	identityKey   = []byte("identity") // checksum, format version (1 byte), epoch
	stateKey      = []byte("state")    // checksum, first and next offset (8 bytes each)
)

// file is an open bbolt file. handle is the descriptor that bbolt uses.
type file struct {
	db     *bbolt.DB
	handle *os.File
}

// boltOptions were chosen by measuring. A freelist that is not written saves pages in each commit and costs a walk over
// the tree at opening, where everything is read anyway. The map keeps its allocations cheap when entries differ in size.
// The initial mapping is address space, not memory: while the file is smaller, no commit has to wait for readers in
// order to map it anew.
func boltOptions(readOnly bool) *bbolt.Options {
	return &bbolt.Options{
		Timeout:         lockTimeout,
		NoFreelistSync:  true,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: 256 << 20,
		NoStatistics:    true,
		ReadOnly:        readOnly,
	}
}

// openFile opens an existing file and takes its lock.
func openFile(path string, readOnly bool) (*file, error) {
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		return nil, fmt.Errorf("%s: %w: the file is empty", path, ErrDamaged)
	}
	f := &file{}
	options := boltOptions(readOnly)
	options.OpenFile = func(name string, flag int, mode fs.FileMode) (_ *os.File, err error) {
		f.handle, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
		return f.handle, err
	}
	err := guard(func() (err error) {
		f.db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%s: %w", path, ErrInUse)
	case isOne(err, bolterrors.ErrInvalid, bolterrors.ErrChecksum, bolterrors.ErrVersionMismatch, bolterrors.ErrInvalidMapping):
		err = fmt.Errorf("%w: no valid meta page: %w", ErrDamaged, err)
	}
	if err != nil {
		if f.handle != nil {
			_ = f.handle.Close() // after a panic in bbolt its mapping, and so the lock, stays until the process ends
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// Another process may have put a new file in place while this one waited for the lock of the old one.
	if mine, theirs := stat(f.handle.Stat), stat(func() (fs.FileInfo, error) { return os.Stat(path) }); !os.SameFile(mine, theirs) {
		_ = f.db.Close()
		return nil, fmt.Errorf("%s: %w", path, ErrInUse)
	}
	return f, nil
}

func stat(f func() (fs.FileInfo, error)) fs.FileInfo {
	info, err := f()
	if err != nil {
		return nil
	}
	return info
}

func isOne(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// guard calls f, which reads pages of the file. bbolt has checksums on its meta pages only: a damaged page makes it panic,
// and a wrong page number makes it read outside the mapping.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
		case runtime.Error:
			err = fmt.Errorf("%w: a page cannot be read: %w", ErrDamaged, r)
		default:
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	return f()
}

// createFile makes a file with an empty log and the epoch. It appears under its name when it is complete and on disk.
func createFile(dir string, epoch event.Epoch) error {
	temp, err := os.CreateTemp(dir, newFile)
	if err != nil {
		return err
	}
	name := temp.Name()
	defer func() { _ = os.Remove(name) }()
	if err := temp.Close(); err != nil {
		return err
	}
	db, err := bbolt.Open(name, 0o600, boltOptions(false))
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{metaBucket, entriesBucket, keysBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		identity := append([]byte{0, 0, 0, 0, formatVersion}, epoch...)
		seal(0, identity)
		return errors.Join(tx.Bucket(metaBucket).Put(identityKey, identity), putState(tx, state{first: 1, next: 1}))
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	// A link, unlike a rename, does not replace the file of another process that creates it at the same time.
	if err := os.Link(name, filepath.Join(dir, fileName)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDirectory(dir)
}

// makeDirectory creates a directory, and its parents, that survive a power loss.
func makeDirectory(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch parent := filepath.Dir(dir); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist) && parent != dir:
		if err := makeDirectory(parent); err != nil {
			return err
		}
		return makeDirectory(dir)
	case err != nil:
		return err
	default:
		return syncDirectory(parent)
	}
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// state is where the entries in the file begin and end. Entries before first were trimmed and not deleted yet.
type state struct {
	first, next uint64
}

func putState(tx *bbolt.Tx, s state) error {
	b := make([]byte, timeAt, timeAt+2*offsetLength)
	b = binary.BigEndian.AppendUint64(b, s.first)
	b = binary.BigEndian.AppendUint64(b, s.next)
	seal(0, b)
	return tx.Bucket(metaBucket).Put(stateKey, b)
}

// readMeta returns what the bucket meta holds.
func readMeta(tx *bbolt.Tx) (event.Epoch, state, error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil || tx.Bucket(entriesBucket) == nil || tx.Bucket(keysBucket) == nil {
		return "", state{}, fmt.Errorf("%w: not the file of a log, or a bucket is missing", ErrDamaged)
	}
	identity, s := meta.Get(identityKey), meta.Get(stateKey)
	if err := unseal(0, identity, timeAt+2); err != nil {
		return "", state{}, fmt.Errorf("%w: identity: %w", ErrDamaged, err)
	}
	if v := identity[timeAt]; v != formatVersion {
		return "", state{}, fmt.Errorf("format version must be %d (got %d): the file was written by another version of Carillon; move it away, or use that version", formatVersion, v)
	}
	if err := unseal(0, s, timeAt+2*offsetLength); err != nil {
		return "", state{}, fmt.Errorf("%w: state: %w", ErrDamaged, err)
	}
	return event.Epoch(identity[timeAt+1:]), state{
		first: binary.BigEndian.Uint64(s[timeAt:]),
		next:  binary.BigEndian.Uint64(s[timeAt+offsetLength:]),
	}, nil
}
