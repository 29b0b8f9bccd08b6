package disklog

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
)

// The layout of bbolt's meta pages, version 2: a page header of 16 bytes, then the meta with its magic number, and at its
// end an FNV-1a checksum of what is before it.
const (
	metaAt       = 16
	metaChecksum = 56
	metaLength   = metaChecksum + 8
	metaMagic    = 0xED0CDAED
)

// lostCommit reports whether one of the two meta pages is invalid. bbolt writes them in turn, as the last step of each
// transaction, and goes on from the valid one: the transaction that was being written is undone.
func lostCommit(f *file) (bool, error) {
	pageSize := int64(f.db.Info().PageSize)
	for page := range int64(2) {
		var meta [metaLength]byte
		if _, err := f.handle.ReadAt(meta[:], page*pageSize+metaAt); err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		sum := fnv.New64a()
		_, _ = sum.Write(meta[:metaChecksum])
		// bbolt writes numbers in the byte order of the machine.
		if binary.NativeEndian.Uint32(meta[:]) != metaMagic || binary.NativeEndian.Uint64(meta[metaChecksum:]) != sum.Sum64() {
			return true, nil
		}
	}
	return false, nil
}
