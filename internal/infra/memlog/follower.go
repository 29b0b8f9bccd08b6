package memlog

import (
	"context"
	"slices"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// follower receives the entries of each append.
type follower struct {
	after   uint64 // the last offset it was given, or the requested one
	deliver func(after uint64, entries []event.Entry)
}

// take delivers entries that stand right after an offset. It leaves out those up to the requested offset, which the log
// may not have reached yet.
func (f *follower) take(after uint64, entries []event.Entry) {
	for len(entries) > 0 && entries[0].Position.Offset <= f.after {
		entries = entries[1:]
	}
	after = max(after, f.after)
	if len(entries) == 0 && after == f.after {
		return
	}
	f.after = after
	if len(entries) > 0 {
		f.after = entries[len(entries)-1].Position.Offset
	}
	f.deliver(after, entries)
}

// Follow implements [pubsub.Log]. It delivers the kept entries in one call, and each append in one call.
func (l *Log) Follow(ctx context.Context, after event.Position, deliver func(uint64, []event.Entry)) error {
	switch {
	case ctx.Err() != nil:
		return nil
	case after.Epoch != l.epoch:
		return pubsub.ErrReplaced
	}
	f := &follower{after: after.Offset, deliver: deliver}
	l.join(f)
	defer l.leave(f)
	l.trimPeriodically(ctx)
	return nil
}

// join delivers the kept entries to a follower and adds it.
func (l *Log) join(f *follower) {
	l.order.Lock()
	defer l.order.Unlock()
	l.rlock()
	after := max(f.after, l.history.first-1)
	kept := l.history.after(after, l.history.count())
	l.mu.RUnlock()
	f.take(after, kept)
	l.followers = append(l.followers, f)
}

// leave removes a follower, after a delivery in progress.
func (l *Log) leave(f *follower) {
	l.order.Lock()
	defer l.order.Unlock()
	l.followers = slices.DeleteFunc(l.followers, func(other *follower) bool { return other == f })
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
