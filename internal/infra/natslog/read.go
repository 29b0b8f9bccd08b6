package natslog

import (
	"context"
	"errors"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// Read implements [pubsub.Log]. Any replica answers; afterwards the leader is asked whether this is still the stream of
// the position, what it has trimmed, and what a replica that lags has not sent.
func (l *Log) Read(ctx context.Context, after event.Position, limit int) ([]event.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := l.read(ctx, after, limit)
	if err != nil {
		return nil, ended(ctx, err)
	}
	return entries, nil
}

func (l *Log) read(ctx context.Context, after event.Position, limit int) ([]event.Entry, error) {
	r := reading{log: l, after: after, limit: limit, offset: after.Offset}
	if _, last := l.view.now(); after.Offset < last {
		if err := r.pages(ctx); err != nil {
			return nil, r.judge(ctx, err)
		}
	}
	for behind := 0; ; behind++ {
		last, err := r.confirm(ctx)
		if err != nil {
			return nil, err
		}
		if r.full() || r.offset >= last {
			return r.entries, nil
		}
		if behind < replicaReads {
			err = r.pages(ctx)
		} else {
			err = r.fromLeader(ctx)
		}
		if err != nil {
			return nil, r.judge(ctx, err)
		}
	}
}

// judge returns the error of a read that failed. When a message is missing, the stream may have been replaced.
func (r *reading) judge(ctx context.Context, err error) error {
	if errors.Is(err, pubsub.ErrTrimmed) {
		if _, other := r.confirm(ctx); other != nil {
			return other
		}
		r.log.view.trimmed(r.after.Epoch, r.offset+2) // a replica may trim before the leader
	}
	return err
}

// replicaReads is how often replicas are asked again for messages that they do not have yet.
const replicaReads = 2

// reading is a read in progress.
type reading struct {
	log     *Log
	after   event.Position
	limit   int
	offset  uint64 // of the last message that was read
	entries []event.Entry
	at      time.Time // the time of the last entry
}

func (r *reading) full() bool { return len(r.entries) >= r.limit }

// pages reads until the limit, or until a replica has no more.
func (r *reading) pages(ctx context.Context) error {
	for !r.full() {
		page, err := r.log.page(ctx, r.offset+1, r.limit-len(r.entries))
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		for _, m := range page {
			if err := r.add(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// fromLeader reads one message from the leader, which has it whatever the replicas have.
func (r *reading) fromLeader(ctx context.Context) error {
	m, err := r.log.message(ctx, r.offset+1)
	if errors.Is(err, errNoMessage) {
		return pubsub.ErrTrimmed
	}
	if err != nil {
		return err
	}
	return r.add(m)
}

// add takes the next message in. One that is missing before it was trimmed, since none can be deleted.
func (r *reading) add(m stored) error {
	if m.offset <= r.offset || r.full() {
		return nil
	}
	if m.offset > r.offset+1 {
		return pubsub.ErrTrimmed
	}
	r.offset = m.offset
	if r.at.Before(m.at) {
		r.at = m.at
	}
	r.entries = append(r.entries, r.log.entry(r.after.Epoch, m, r.at))
	return nil
}

// confirm asks the leader whether what was read is right, and returns the offset of the stream's newest message.
func (r *reading) confirm(ctx context.Context) (uint64, error) {
	info, err := r.log.inspect(ctx)
	if err != nil {
		return 0, err
	}
	if epochOf(info) != r.after.Epoch {
		return 0, pubsub.ErrReplaced
	}
	first, last := bounds(info)
	if r.after.Offset < first-1 {
		return 0, pubsub.ErrTrimmed
	}
	return last, nil
}
