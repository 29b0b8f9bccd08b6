package disklog

import (
	"time"

	"go.etcd.io/bbolt"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// change is what one transaction does to the log.
type change struct {
	now          int64 // by the log's clock
	wall         int64 // the time of the new entries
	state        state
	entries      []event.Entry
	records      [][]byte            // of the entries
	fingerprints []uint64            // of the entries that have a key
	fresh        map[event.Key]first // the keys of the entries
	oldest       uint64              // entries before it are deleted
	keys         int                 // so many forgotten keys are deleted
}

// plan assigns offsets and decides what to delete. It changes nothing that matters when the transaction fails.
func (l *Log) plan(group []*request) *change {
	c := &change{now: l.clock.now(), wall: max(time.Now().UnixNano(), l.wall), fresh: make(map[event.Key]first)}
	l.keys.trim(c.now)
	l.mu.Lock()
	l.history.trim(c.now)
	c.state = state{first: l.history.first, next: l.history.next}
	l.mu.Unlock()

	for _, r := range group {
		l.assign(c, r)
	}
	step := deleteStep + 2*len(c.entries)
	c.oldest = min(c.state.first, l.oldestOnDisk+uint64(step))
	c.keys = min(l.keys.deletes.length(), step)
	return c
}

// assign gives the events of a request their offsets. If one of them has the key of another event, the request fails and
// its events are not part of the change.
func (l *Log) assign(c *change, r *request) {
	before := len(c.entries)
	r.appended = make([]pubsub.Appended, len(r.events))
	for i, e := range r.events {
		f, known := l.keys.first[e.Key]
		if !known {
			f, known = c.fresh[e.Key]
		}
		switch {
		case !known:
			f = first{c.state.next, r.fingerprints[i]}
			c.add(l.epoch, f, e, r.records[i])
		case f.fingerprint != r.fingerprints[i]:
			r.err = &pubsub.KeyReusedError{Index: i}
			c.cut(before)
			return
		}
		r.appended[i] = pubsub.Appended{Position: event.Position{Epoch: l.epoch, Offset: f.offset}, Repeated: known}
	}
}

// add makes an event part of the change, as the first one with its key.
func (c *change) add(epoch event.Epoch, f first, e event.Event, record []byte) {
	c.state.next++
	if !e.Key.IsZero() {
		c.fresh[e.Key] = f
	}
	finish(record, f.offset, c.wall)
	c.records, c.fingerprints = append(c.records, record), append(c.fingerprints, f.fingerprint)
	c.entries = append(c.entries, event.Entry{
		Position: event.Position{Epoch: epoch, Offset: f.offset}, Time: time.Unix(0, c.wall), Event: e,
	})
}

// cut takes the newest events out of the change, so that only length are left.
func (c *change) cut(length int) {
	for _, e := range c.entries[length:] {
		delete(c.fresh, e.Event.Key)
	}
	c.state.next -= uint64(len(c.entries) - length)
	c.entries, c.records, c.fingerprints = c.entries[:length], c.records[:length], c.fingerprints[:length]
}

// fill makes a change in a transaction.
func (l *Log) fill(tx *bbolt.Tx, c *change) error {
	entries, keys := tx.Bucket(entriesBucket), tx.Bucket(keysBucket)
	entries.FillPercent, keys.FillPercent = 1, 1 // both are appended to
	for offset := l.oldestOnDisk; offset < c.oldest; offset++ {
		if err := entries.Delete(offsetKey(offset)); err != nil {
			return err
		}
	}
	for i := range c.keys {
		if err := keys.Delete(offsetKey(l.keys.deletes.items[l.keys.deletes.head+i])); err != nil {
			return err
		}
	}
	for i, e := range c.entries {
		k := offsetKey(e.Position.Offset)
		if err := entries.Put(k, c.records[i]); err != nil {
			return err
		}
		if e.Event.Key.IsZero() {
			continue
		}
		if err := keys.Put(k, encodeKey(e.Event.Key, c.fingerprints[i], e.Position.Offset, c.wall)); err != nil {
			return err
		}
	}
	return putState(tx, c.state)
}
