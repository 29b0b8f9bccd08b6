package pubsub_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// fakeLog is a log in a slice, with faults: it can be unavailable or slow, trim, and skip offsets and deliveries.
type fakeLog struct {
	keep    int  // how many entries are kept; 0 means all
	durable bool // what Durable returns

	mu        sync.Mutex
	epoch     event.Epoch
	oldest    uint64
	newest    uint64
	skip      uint64 // how many offsets are left out before the next entry
	entries   []event.Entry
	all       []event.Entry // includes trimmed entries, for the model to compare with
	failed    chan struct{} // closed when the log becomes unavailable; nil while it is
	followErr error         // what Follow fails with while the log is unavailable
	followers map[*fakeFollower]bool
	reads     int
	slow      time.Duration                 // how long a Read takes
	onRead    func(after uint64, limit int) // called before a Read, without the lock
}

func newLog(keep int) *fakeLog {
	return &fakeLog{
		keep: keep, epoch: "e1", oldest: 1, failed: make(chan struct{}),
		followers: make(map[*fakeFollower]bool),
	}
}

func (l *fakeLog) Durable() bool { return l.durable }

func (l *fakeLog) Append(ctx context.Context, events []event.Event) ([]pubsub.Appended, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		return nil, fmt.Errorf("append: %w", pubsub.ErrUnavailable)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(events) > 0 {
		l.newest, l.skip = l.newest+l.skip, 0
	}
	var appended []pubsub.Appended
	for _, e := range events {
		l.newest++
		at := event.Position{Epoch: l.epoch, Offset: l.newest}
		l.entries = append(l.entries, event.Entry{Position: at, Time: time.Now(), Event: e})
		appended = append(appended, pubsub.Appended{Position: at})
	}
	added := slices.Clone(l.entries[len(l.entries)-len(events):])
	l.all = append(l.all, added...)
	for f := range l.followers {
		f.take(f.last, added)
	}
	if l.keep > 0 && len(l.entries) > l.keep {
		l.trim(len(l.entries) - l.keep)
	}
	return appended, nil
}

// fakeFollower receives entries.
type fakeFollower struct {
	deliver func(uint64, []event.Entry)
	last    uint64
}

// take delivers entries that stand right after an offset.
func (f *fakeFollower) take(after uint64, entries []event.Entry) {
	f.last = after
	if len(entries) > 0 {
		f.last = entries[len(entries)-1].Position.Offset
	}
	f.deliver(after, entries)
}

// trim drops the oldest n entries; the caller holds the lock.
func (l *fakeLog) trim(n int) {
	n = min(n, len(l.entries))
	if n == 0 {
		return
	}
	l.oldest = l.entries[n-1].Position.Offset + 1
	l.entries = slices.Clone(l.entries[n:])
}

// Trim drops the oldest n entries.
func (l *fakeLog) Trim(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trim(n)
}

// SkipOffsets leaves offsets out before the next entry, like a log from which single entries can be removed.
func (l *fakeLog) SkipOffsets(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.skip += n
}

// Fail makes the log unavailable; its followers fail with err.
func (l *fakeLog) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followErr = err
	close(l.failed)
	l.failed = nil
}

// Recover makes the log available again.
func (l *fakeLog) Recover() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = make(chan struct{})
}

// Set calls change with the lock held.
func (l *fakeLog) Set(change func(*fakeLog)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

func (l *fakeLog) Read(ctx context.Context, position event.Position, limit int) ([]event.Entry, error) {
	after := position.Offset
	l.mu.Lock()
	slow, onRead := l.slow, l.onRead
	l.reads++
	l.mu.Unlock()
	if onRead != nil {
		onRead(after, limit)
	}
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.failed == nil:
		return nil, fmt.Errorf("read: %w", pubsub.ErrUnavailable)
	case position.Epoch != l.epoch:
		return nil, fmt.Errorf("read: %w", pubsub.ErrReplaced)
	case after+1 < l.oldest:
		return nil, fmt.Errorf("read: %w", pubsub.ErrTrimmed)
	}
	from := l.find(after)
	return slices.Clone(l.entries[from:min(len(l.entries), from+limit)]), nil
}

func (l *fakeLog) find(after uint64) int {
	at, _ := slices.BinarySearchFunc(l.entries, after+1, func(e event.Entry, offset uint64) int {
		return cmp.Compare(e.Position.Offset, offset)
	})
	return at
}

func (l *fakeLog) Extent() pubsub.Extent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return pubsub.Extent{Epoch: l.epoch, Oldest: l.oldest, Newest: l.newest}
}

// Look fails while the log is unavailable.
func (l *fakeLog) Look(context.Context) (pubsub.Extent, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		return pubsub.Extent{}, fmt.Errorf("look: %w", pubsub.ErrUnavailable)
	}
	return pubsub.Extent{Epoch: l.epoch, Oldest: l.oldest, Newest: l.newest}, nil
}

func (l *fakeLog) Follow(ctx context.Context, position event.Position, deliver func(uint64, []event.Entry)) error {
	after := position.Offset
	l.mu.Lock()
	switch {
	case l.failed == nil:
		defer l.mu.Unlock()
		return l.followErr
	case position.Epoch != l.epoch:
		defer l.mu.Unlock()
		return pubsub.ErrReplaced
	}
	f := &fakeFollower{deliver: deliver, last: after}
	if kept := l.entries[l.find(after):]; len(kept) > 0 || l.oldest > after+1 {
		f.take(max(after, l.oldest-1), slices.Clone(kept))
	}
	failed := l.failed
	l.followers[f] = true
	l.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-failed:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.followers, f)
	if ctx.Err() != nil {
		return nil
	}
	return l.followErr
}

// Reads returns how often the log was read.
func (l *fakeLog) Reads() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reads
}

// All returns every entry ever appended.
func (l *fakeLog) All() []event.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}
