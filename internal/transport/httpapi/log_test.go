package httpapi_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// keep is a log in memory that keeps the newest few entries.
type keep struct {
	limit int

	mu      sync.Mutex
	entries []event.Entry
	newest  uint64
	keys    map[event.Key]event.Position
	grew    chan struct{}
	deliver func([]event.Entry)
}

func newKeep(limit int) *keep {
	return &keep{limit: limit, keys: make(map[event.Key]event.Position), grew: make(chan struct{})}
}

func (k *keep) Append(_ context.Context, events []event.Event) ([]event.Position, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []event.Position
	var fresh []event.Entry
	for _, e := range events {
		if at, ok := k.keys[e.Key]; ok && !e.Key.IsZero() {
			out = append(out, at)
			continue
		}
		k.newest++
		at := event.Position{Epoch: "e1", Offset: k.newest}
		if !e.Key.IsZero() {
			k.keys[e.Key] = at
		}
		fresh = append(fresh, event.Entry{Position: at, Time: time.Now(), Event: e})
		out = append(out, at)
	}
	k.entries = append(k.entries, fresh...)
	if over := len(k.entries) - k.limit; over > 0 {
		k.entries = append([]event.Entry(nil), k.entries[over:]...)
	}
	if k.deliver != nil {
		k.deliver(fresh)
	}
	return out, nil
}

func (k *keep) Read(_ context.Context, after uint64, limit int) ([]event.Entry, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	oldest := k.newest - uint64(len(k.entries)) + 1
	if after+1 < oldest {
		return nil, pubsub.ErrTrimmed
	}
	rest := k.entries[min(uint64(len(k.entries)), after+1-oldest):]
	return append([]event.Entry(nil), rest[:min(limit, len(rest))]...), nil
}

func (k *keep) Extent() pubsub.Extent {
	k.mu.Lock()
	defer k.mu.Unlock()
	return pubsub.Extent{Epoch: "e1", Oldest: k.newest - uint64(len(k.entries)) + 1, Newest: k.newest}
}

func (k *keep) Follow(ctx context.Context, after uint64, deliver func([]event.Entry)) error {
	k.mu.Lock()
	k.deliver = deliver
	k.mu.Unlock()
	<-ctx.Done()
	return nil
}

func newLog(_ testing.TB, limit int) pubsub.Log { return newKeep(limit) }
