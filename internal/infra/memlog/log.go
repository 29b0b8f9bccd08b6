// Package memlog implements the log in memory: a ring of recent events, bounded in events, bytes and age.
//
// Guarantees:
//
//   - An event that [Log.Append] has acknowledged is kept until the process ends or a bound is exceeded.
//   - Each new log has an epoch of its own, so positions of an earlier process are never mistaken for its.
//   - Offsets begin at 1 and have no gaps. Appending and seeking cost the same however long the history is.
//   - Events appended together have consecutive offsets and reach each follower in one call. Readers do not wait for followers.
//   - The memory of trimmed events and forgotten keys is freed; events that are too old are never read. While nothing is
//     appended, memory is freed as long as there is a follower.
//   - Ages follow the monotonic clock: a wall clock that jumps changes nothing.
//
// The history has no gaps up to the newest event. So an event larger than history.bytes is delivered to followers and
// trimmed at once, with everything before it.
package memlog

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

var _ pubsub.Log = (*Log)(nil)

// Log keeps events in memory. Its methods may be called concurrently.
type Log struct {
	cfg   Config
	epoch event.Epoch

	// order is held during an append and its delivery, so that followers see appends in log order; readers do not wait
	// for followers. It is locked before mu.
	order     sync.Mutex
	keys      keys
	followers []*pubsub.Follower

	mu      sync.RWMutex // guards history, which is written with both locks held,
	history history      // except for trimming entries that are too old, which needs mu only
}

// epochLength is long enough (40 bits) that no two logs share an epoch by accident, and short enough to be sent with
// every event.
const epochLength = 8

// New returns an empty log with a new epoch.
func New(cfg Config) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Log{
		cfg:     cfg,
		epoch:   event.Epoch(strings.ToLower(rand.Text()[:epochLength])),
		keys:    newKeys(cfg.Keys, cfg.KeyWindow),
		history: newHistory(cfg),
	}, nil
}

// Append implements [pubsub.Log]. Nothing is appended when the context has already ended.
func (l *Log) Append(ctx context.Context, events []event.Event) ([]pubsub.Appended, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	appended, fresh, fingerprints := allocate(len(events))
	for i := range events {
		if !events[i].Key.IsZero() { // before the lock, because it reads all the data
			fingerprints[i] = events[i].Fingerprint()
		}
	}
	l.order.Lock()
	defer l.order.Unlock()
	now := time.Now()
	l.keys.trim(now)
	next, keys := l.history.next, l.keys.length()
	for i := range events {
		f, known := l.keys.find(events[i].Key)
		switch {
		case !known:
			f = first{next, fingerprints[i]}
			next++
			l.keys.remember(events[i].Key, f, now)
			fresh = append(fresh, event.Entry{
				Position: event.Position{Epoch: l.epoch, Offset: f.offset}, Time: now, Event: events[i],
			})
		case f.fingerprint != fingerprints[i]:
			l.keys.cut(keys)
			return nil, &pubsub.KeyReusedError{Index: i}
		}
		appended[i] = pubsub.Appended{Position: event.Position{Epoch: l.epoch, Offset: f.offset}, Repeated: known}
	}
	l.keys.trim(now)
	if len(fresh) == 0 {
		return appended, nil
	}
	l.mu.Lock()
	for i := range fresh {
		l.history.push(fresh[i])
	}
	l.history.trim(now)
	l.mu.Unlock()
	for _, f := range l.followers {
		f.Take(fresh[0].Position.Offset-1, fresh)
	}
	return appended, nil
}

// allocate returns the results, the entries and the fingerprints of an append of n events. For a single event, the usual
// case, it is one allocation.
func allocate(n int) ([]pubsub.Appended, []event.Entry, []uint64) {
	if n == 1 {
		var all struct {
			appended    [1]pubsub.Appended
			entry       [1]event.Entry
			fingerprint [1]uint64
		}
		return all.appended[:], all.entry[:0], all.fingerprint[:]
	}
	return make([]pubsub.Appended, n), make([]event.Entry, 0, n), make([]uint64, n)
}

// Read implements [pubsub.Log].
func (l *Log) Read(ctx context.Context, after event.Position, limit int) ([]event.Entry, error) {
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case after.Epoch != l.epoch:
		return nil, pubsub.ErrReplaced
	}
	l.rlock()
	defer l.mu.RUnlock()
	if after.Offset < l.history.first-1 {
		return nil, pubsub.ErrTrimmed
	}
	return l.history.after(after.Offset, limit), nil
}

// Extent implements [pubsub.Log].
func (l *Log) Extent() pubsub.Extent {
	l.rlock()
	defer l.mu.RUnlock()
	return pubsub.Extent{Epoch: l.epoch, Oldest: l.history.first, Newest: l.history.next - 1}
}

// Look implements [pubsub.Log]. This process is the only one that appends, so it returns the same as Extent.
func (l *Log) Look(context.Context) (pubsub.Extent, error) { return l.Extent(), nil }

// Kept returns how many bytes of events the history holds, and how old the oldest of them is.
func (l *Log) Kept() (bytes int64, age time.Duration) {
	l.rlock()
	defer l.mu.RUnlock()
	if l.history.count() > 0 {
		age = time.Since(l.history.slot(l.history.first).Time)
	}
	return l.history.bytes, age
}

// rlock locks mu for reading, after trimming entries that are too old.
func (l *Log) rlock() {
	now := time.Now()
	l.mu.RLock()
	for l.history.stale(now) {
		l.mu.RUnlock()
		l.mu.Lock()
		l.history.trim(now)
		l.mu.Unlock()
		l.mu.RLock()
	}
}
