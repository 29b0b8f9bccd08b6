package memlog

import (
	"context"
	"slices"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// Follow implements [pubsub.Log]. It delivers the kept entries in one call, and each append in one call.
func (l *Log) Follow(ctx context.Context, after event.Position, deliver func(uint64, []event.Entry)) error {
	switch {
	case ctx.Err() != nil:
		return nil
	case after.Epoch != l.epoch:
		return pubsub.ErrReplaced
	}
	f := pubsub.NewFollower(after.Offset, deliver)
	l.join(f)
	defer l.leave(f)
	l.trimPeriodically(ctx)
	return nil
}

// join delivers the kept entries to a follower and adds it.
func (l *Log) join(f *pubsub.Follower) {
	l.order.Lock()
	defer l.order.Unlock()
	l.rlock()
	after := max(f.After(), l.history.first-1)
	kept := l.history.after(after, l.history.count())
	l.mu.RUnlock()
	f.Take(after, kept)
	l.followers = append(l.followers, f)
}

// leave removes a follower, after a delivery in progress.
func (l *Log) leave(f *pubsub.Follower) {
	l.order.Lock()
	defer l.order.Unlock()
	l.followers = slices.DeleteFunc(l.followers, func(other *pubsub.Follower) bool { return other == f })
}

// trimPeriodically frees memory while nothing is appended, until the context ends.
func (l *Log) trimPeriodically(ctx context.Context) {
	shortest := min(l.cfg.Age, l.cfg.KeyWindow)
	ticker := time.NewTicker(min(max(shortest/16, 10*time.Millisecond), time.Minute))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			l.mu.Lock()
			l.history.trim(now)
			l.mu.Unlock()
			l.order.Lock()
			l.keys.trim(now)
			l.order.Unlock()
		}
	}
}
