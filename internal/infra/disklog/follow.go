package disklog

import (
	"context"
	"errors"
	"slices"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// followPage is how many entries a follower is given at a time while it catches up.
const followPage = 1024

// Follow implements [pubsub.Log]. Entries that are kept are read from the file page by page. The last page is read and
// delivered while commits wait; from then on the committer delivers what it commits, from memory.
func (l *Log) Follow(ctx context.Context, after event.Position, deliver func(uint64, []event.Entry)) error {
	if after.Epoch != l.epoch {
		return pubsub.ErrReplaced
	}
	f := pubsub.NewFollower(after.Offset, deliver)
	for joined := false; !joined; {
		if ctx.Err() != nil {
			return nil
		}
		var err error
		if joined, err = l.catchUp(ctx, f); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	defer l.leave(f)
	<-ctx.Done()
	return nil
}

// catchUp delivers one page, and reports whether the follower has got everything and was added to the others.
func (l *Log) catchUp(ctx context.Context, f *pubsub.Follower) (joined bool, err error) {
	if extent := l.Extent(); f.After() < extent.Newest && extent.Newest-max(f.After(), extent.Oldest-1) > followPage {
		return false, l.deliverPage(ctx, f)
	}
	l.order.Lock()
	defer l.order.Unlock()
	for f.After() < l.Extent().Newest { // the log does not grow meanwhile
		before := f.After()
		if err := l.deliverPage(ctx, f); err != nil {
			return false, err
		}
		if f.After() == before { // what was left is trimmed
			break
		}
	}
	l.followers = append(l.followers, f)
	return true, nil
}

// deliverPage delivers the next entries that are kept.
func (l *Log) deliverPage(ctx context.Context, f *pubsub.Follower) error {
	for {
		from := max(f.After(), l.Extent().Oldest-1)
		page, err := l.Read(ctx, event.Position{Epoch: l.epoch, Offset: from}, followPage)
		if errors.Is(err, pubsub.ErrTrimmed) {
			continue // trimmed just now
		}
		if err == nil {
			f.Take(from, page)
		}
		return err
	}
}

// leave waits for a delivery that is under way.
func (l *Log) leave(f *pubsub.Follower) {
	l.order.Lock()
	defer l.order.Unlock()
	l.followers = slices.DeleteFunc(l.followers, func(other *pubsub.Follower) bool { return other == f })
}
