package disklog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"carillon/internal/app/pubsub"
)

const (
	// A transaction holds at most about so much, so that it stays short and the file's growth bounded. A single append
	// may be larger.
	groupEvents = 8192
	groupBytes  = 8 << 20

	// A transaction deletes at most so many trimmed entries, and as many keys: a fixed number, and twice what it adds,
	// so that it catches up.
	deleteStep = 512
)

// Run commits appends until the context ends. Appends that still wait then fail with [pubsub.ErrUnavailable]. It may be
// called once.
func (l *Log) Run(ctx context.Context) error {
	if !l.running.CompareAndSwap(false, true) {
		return errors.New("disklog: Run was called before")
	}
	defer close(l.stopped)
	shortest := min(l.cfg.Age, l.cfg.KeyWindow)
	idle := time.NewTicker(min(max(shortest/16, 10*time.Millisecond), time.Minute))
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-l.waiting:
			l.commit(l.gather(r))
		case <-idle.C:
			l.reclaim(ctx)
		}
	}
}

// gather takes all requests that wait into one group.
func (l *Log) gather(first *request) []*request {
	var group []*request
	events, bytes := 0, 0
	for r := first; ; {
		if r.claim() {
			group = append(group, r)
			events, bytes = events+len(r.events), bytes+r.bytes
		}
		if events >= groupEvents || bytes >= groupBytes {
			return group
		}
		select {
		case r = <-l.waiting:
		default:
			return group
		}
	}
}

// reclaim deletes what was trimmed while nothing is appended, step by step.
func (l *Log) reclaim(ctx context.Context) {
	for ctx.Err() == nil && len(l.waiting) == 0 && l.broken == nil {
		c := l.plan(nil)
		if (c.oldest == l.oldestOnDisk && c.keys == 0) || l.write(c) != nil {
			return
		}
		l.apply(c)
	}
}

// commit writes a group in one transaction, delivers it and finishes its requests.
func (l *Log) commit(group []*request) {
	err := l.broken
	if err == nil {
		c := l.plan(group)
		if len(c.entries) > 0 || l.full { // a full disk may have room again
			err = l.write(c)
		}
		if err == nil && len(c.entries) > 0 {
			l.apply(c)
		}
	}
	for _, r := range group {
		r.finish(err)
	}
}

// write commits a change to the file.
func (l *Log) write(c *change) error {
	var id int
	err := guard(func() error {
		tx, err := l.file.db.Begin(true)
		if err != nil {
			return err
		}
		id = tx.ID()
		if err := l.fill(tx, c); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	})
	switch {
	case err == nil:
		l.full = false
		return nil
	case diskFull(err) && !l.metaWritten(id):
		l.full = true
		return fmt.Errorf("%w: the disk is full: %w", pubsub.ErrUnavailable, err)
	default:
		err = fmt.Errorf("a write failed, no more appends until a restart: %w", err)
		l.broken = fmt.Errorf("%w: %w", pubsub.ErrUnavailable, err)
		return fmt.Errorf("%w: %w", pubsub.ErrUnknownOutcome, err)
	}
}

// apply makes a committed change visible and delivers it.
func (l *Log) apply(c *change) {
	l.oldestOnDisk = c.oldest
	for range c.keys {
		l.keys.deletes.pop()
	}
	for i, e := range c.entries {
		if !e.Event.Key.IsZero() {
			l.keys.remember(e.Event.Key, first{e.Position.Offset, c.fingerprints[i]}, c.now)
		}
	}
	l.keys.trim(c.now)
	if len(c.entries) == 0 {
		return
	}
	l.wall = c.wall
	l.order.Lock()
	defer l.order.Unlock()
	l.mu.Lock()
	for _, record := range c.records {
		l.history.push(appended{at: c.now, size: recordSize(record)})
	}
	l.history.trim(c.now)
	l.mu.Unlock()
	for _, f := range l.followers {
		f.Take(c.entries[0].Position.Offset-1, c.entries)
	}
}

// diskFull reports whether an error says that the disk, or the owner's share of it, has no room.
func diskFull(err error) bool {
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	// A write that found no room wrote nothing of which the log depends. An fsync that did is another matter: what it
	// did not write is gone from the page cache.
	if failed, ok := errors.AsType[*fs.PathError](err); ok && failed.Op == "write" {
		return full
	}
	// bbolt keeps only the text of an error of growing the file.
	return err != nil && strings.Contains(err.Error(), "file resize error") && strings.Contains(err.Error(), syscall.ENOSPC.Error())
}

// metaWritten reports whether a failed transaction reached its last step, the meta page, which readers and the next
// transaction may see although bbolt has undone the transaction.
func (l *Log) metaWritten(id int) bool {
	written := true
	_ = l.file.db.View(func(tx *bbolt.Tx) error {
		written = tx.ID() >= id
		return nil
	})
	return written
}
