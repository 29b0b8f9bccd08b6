// Package memlog is the log in memory: a ring of recent events, bounded in events, bytes and age together.
//
// What it promises: what [Log.Append] has acknowledged is kept until the process ends or a bound pushes it out; each new
// log has an epoch of its own, so positions of an earlier process are never mistaken for its; appending and seeking cost
// the same however long the history is; what was trimmed leaves no garbage behind. Ages follow the monotonic clock.
//
// An event larger than history.bytes is delivered to followers and trimmed at once.
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

	// order is held over an append and the delivery of it, so that followers see appends in log order; readers do not
	// wait for followers.
	order     sync.Mutex
	keys      keys
	followers map[*follower]struct{}

	mu      sync.RWMutex // guards the history
	history history
}

type follower struct{ deliver func([]event.Entry) }

// epochLength is enough letters and digits for no two logs ever to share an epoch by accident.
const epochLength = 10

// New makes an empty log with a new epoch.
func New(cfg Config) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Log{
		cfg:       cfg,
		epoch:     event.Epoch(strings.ToLower(rand.Text()[:epochLength])),
		keys:      newKeys(cfg.Keys, cfg.KeyWindow),
		followers: make(map[*follower]struct{}),
		history:   newHistory(cfg),
	}, nil
}

// Append implements [pubsub.Log].
func (l *Log) Append(ctx context.Context, events []event.Event) ([]event.Position, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	positions := make([]event.Position, len(events))
	fresh := make([]event.Entry, 0, len(events))
	l.order.Lock()
	defer l.order.Unlock()
	now := time.Now()
	l.keys.expire(now)
	next := l.history.next // only written under order
	for i, e := range events {
		if offset, known := l.keys.find(e.Key); known {
			positions[i] = event.Position{Epoch: l.epoch, Offset: offset}
			continue
		}
		positions[i] = event.Position{Epoch: l.epoch, Offset: next}
		l.keys.remember(e.Key, next, now)
		fresh = append(fresh, event.Entry{Position: positions[i], Time: now, Event: e})
		next++
	}
	if len(fresh) == 0 {
		return positions, nil
	}
	l.mu.Lock()
	for _, e := range fresh {
		l.history.push(e)
	}
	l.history.trim(now)
	l.mu.Unlock()
	for f := range l.followers {
		f.deliver(fresh)
	}
	return positions, nil
}

// Read implements [pubsub.Log].
func (l *Log) Read(ctx context.Context, after uint64, limit int) ([]event.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	oldest := l.Extent().Oldest // which trims what is too old to be read
	l.mu.RLock()
	defer l.mu.RUnlock()
	if oldest = max(oldest, l.history.first); after+1 < oldest {
		return nil, pubsub.ErrTrimmed
	}
	return l.history.after(after, limit), nil
}

// Extent implements [pubsub.Log].
func (l *Log) Extent() pubsub.Extent {
	now := time.Now()
	l.mu.RLock()
	stale := l.history.stale(now)
	extent := pubsub.Extent{Epoch: l.epoch, Oldest: l.history.first, Newest: l.history.next - 1}
	l.mu.RUnlock()
	if !stale {
		return extent
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.history.trim(now)
	return pubsub.Extent{Epoch: l.epoch, Oldest: l.history.first, Newest: l.history.next - 1}
}

// Follow implements [pubsub.Log].
func (l *Log) Follow(ctx context.Context, after uint64, deliver func([]event.Entry)) error {
	f := &follower{deliver: deliver}
	l.order.Lock()
	l.mu.RLock()
	kept := l.history.after(max(after, l.history.first-1), int(l.history.next-l.history.first))
	l.mu.RUnlock()
	if len(kept) > 0 {
		deliver(kept)
	}
	l.followers[f] = struct{}{}
	l.order.Unlock()

	l.housekeep(ctx)

	l.order.Lock()
	defer l.order.Unlock()
	delete(l.followers, f)
	return nil
}

// housekeep gives memory back while nothing is appended, until the context ends.
func (l *Log) housekeep(ctx context.Context) {
	every := time.NewTicker(max(min(l.cfg.Age, l.cfg.KeyWindow)/16, 10*time.Millisecond))
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			l.Extent()
			l.order.Lock()
			l.keys.expire(now)
			l.order.Unlock()
		}
	}
}
