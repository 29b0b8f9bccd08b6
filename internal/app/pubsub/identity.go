package pubsub

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"carillon/internal/domain/event"
)

// identity is the epoch of the log that all shards deliver.
type identity struct {
	mu      sync.Mutex
	epoch   event.Epoch
	changed chan struct{} // closed at the next change
}

func newIdentity(epoch event.Epoch) identity {
	return identity{epoch: epoch, changed: make(chan struct{})}
}

func (i *identity) current() event.Epoch {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.epoch
}

func (i *identity) set(epoch event.Epoch) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.epoch = epoch
	close(i.changed)
	i.changed = make(chan struct{})
}

// await waits until the shards deliver the log with an epoch. It fails with [ErrUnavailable] when they do not in time.
func (i *identity) await(ctx context.Context, epoch event.Epoch) error {
	limit := time.NewTimer(replaceTimeout)
	defer limit.Stop()
	for {
		i.mu.Lock()
		current, changed := i.epoch, i.changed
		i.mu.Unlock()
		if current == epoch {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return fmt.Errorf("%w: it was replaced", ErrUnavailable)
		}
	}
}

// replaceTimeout bounds how long a subscription waits for the engine to notice that the log was replaced.
const replaceTimeout = 5 * time.Second

// replaceLog continues after an offset of a log that took the place of the one the shard delivered. Every stream is reset
// and gets what the new log keeps.
func (s *shard) replaceLog(extent Extent, cursor uint64) {
	old := s.epoch
	s.epoch = extent.Epoch
	s.generation++
	s.cursor = cursor
	s.progress.Store(cursor)
	s.backlog = backlog{}
	s.lagging = nil // each reset queues its stream
	// Backwards, because the last stream takes the slot of one that ends, and must be handled exactly once.
	for _, st := range slices.Backward(s.streams) {
		st.parkedInWindow = false
		s.resetEpoch(st, event.Position{Epoch: old, Offset: st.cursor})
	}
}

// resetEpoch resets a stream that stood at a position of a log that was replaced.
func (s *shard) resetEpoch(st *Stream, at event.Position) {
	extent := s.extent()
	s.sendReset(st, ResetEpoch, at, extent, extent.Oldest-1)
}

// extent returns what the log keeps, as far as it is known, in the shard's epoch.
func (s *shard) extent() Extent {
	if extent := s.engine.log.Extent(); extent.Epoch == s.epoch {
		return extent
	}
	// The log was replaced, and the shard is about to be told.
	return Extent{Epoch: s.epoch, Oldest: s.cursor + 1, Newest: s.cursor}
}

func (s *shard) position(offset uint64) event.Position {
	return event.Position{Epoch: s.epoch, Offset: offset}
}
