package disklog

import (
	"fmt"

	"go.etcd.io/bbolt"

	"carillon/internal/domain/event"
)

// content is what a file holds.
type content struct {
	epoch  event.Epoch
	state  state
	oldest uint64 // offset of the first entry in the file, which may be trimmed already
	bytes  int64  // of all records
}

// visitor is called for each record of a file, in order. Records belong to the transaction.
type visitor struct {
	entry func(offset uint64, record []byte) error
	key   func(key event.Key, f first, at int64) error
}

// scan reads everything in the file: checksums, dense offsets, and that entries begin and end where the state says.
// It reads every page of the tree, and so finds damage in branch pages too.
func scan(db *bbolt.DB, v visitor) (c content, err error) {
	err = guard(func() error {
		return db.View(func(tx *bbolt.Tx) (err error) {
			if c.epoch, c.state, err = readMeta(tx); err != nil {
				return err
			}
			if err := c.scanEntries(tx, v); err != nil {
				return err
			}
			return c.scanKeys(tx, v)
		})
	})
	return c, err
}

func (c *content) scanEntries(tx *bbolt.Tx, v visitor) error {
	next := uint64(0)
	cursor := tx.Bucket(entriesBucket).Cursor()
	for k, record := cursor.First(); k != nil; k, record = cursor.Next() {
		offset, err := parseOffset(k)
		if err == nil && next != 0 && offset != next {
			err = fmt.Errorf("want offset %d", next)
		}
		if err == nil {
			err = unseal(offset, record, bodyAt)
		}
		if err == nil {
			err = v.entry(offset, record)
		}
		if err != nil {
			return fmt.Errorf("%w: entry %d: %w", ErrDamaged, offset, err)
		}
		if next == 0 {
			c.oldest = offset
		}
		next = offset + 1
		c.bytes += int64(len(k) + len(record))
	}
	if next == 0 { // the file holds no entry
		c.oldest, next = c.state.first, c.state.first
	}
	if c.oldest > c.state.first || next != c.state.next {
		return fmt.Errorf("%w: holds entries %d to %d, should hold %d to %d",
			ErrDamaged, c.oldest, next-1, c.state.first, c.state.next-1)
	}
	return nil
}

func (c *content) scanKeys(tx *bbolt.Tx, v visitor) error {
	cursor := tx.Bucket(keysBucket).Cursor()
	for k, record := cursor.First(); k != nil; k, record = cursor.Next() {
		offset, err := parseOffset(k)
		var key event.Key
		var fingerprint uint64
		if err == nil {
			key, fingerprint, err = decodeKey(offset, record)
		}
		if err == nil && offset >= c.state.next {
			err = fmt.Errorf("newer than the newest entry, %d", c.state.next-1)
		}
		if err == nil {
			err = v.key(key, first{offset, fingerprint}, recordTime(record))
		}
		if err != nil {
			return fmt.Errorf("%w: key of entry %d: %w", ErrDamaged, offset, err)
		}
		c.bytes += int64(len(k) + len(record))
	}
	return nil
}
