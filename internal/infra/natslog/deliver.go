package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// receive delivers messages until the context, the consumer or the epoch ends.
func (f *follower) receive(ctx context.Context, messages <-chan jetstream.Msg, failed <-chan error, changed <-chan struct{}) error {
	overtaken := time.NewTicker(checkInterval)
	defer overtaken.Stop()
	for {
		select {
		case msg := <-messages:
			if err := f.take(gather(msg, messages)); err != nil {
				return err
			}
		case <-overtaken.C:
			if extent := f.log.view.extent(); extent.Epoch == f.epoch && len(messages) == 0 {
				f.skipTo(extent.Oldest)
			}
		case err := <-failed:
			return fmt.Errorf("%w: %w", errConsumerEnded, err)
		case <-changed:
			return pubsub.ErrReplaced
		case <-ctx.Done():
			return nil
		}
	}
}

// gather returns a message and those that have come with it.
func gather(msg jetstream.Msg, more <-chan jetstream.Msg) []jetstream.Msg {
	all := append(make([]jetstream.Msg, 0, 1+len(more)), msg)
	for len(more) > 0 && len(all) < prefetch {
		all = append(all, <-more)
	}
	return all
}

// skipTo tells that entries were trimmed if the stream begins with one after the next.
func (f *follower) skipTo(first uint64) {
	if first > f.last && first-1 > f.last {
		f.last = first - 1
		f.deliver(f.last, nil)
	}
}

// take delivers messages. When their numbers have a gap, a message was lost on the way, and the consumer has to be made
// anew; when their offsets have one, the stream trimmed what the follower has not got.
func (f *follower) take(messages []jetstream.Msg) error {
	var run run
	for _, msg := range messages {
		m, number, err := followed(msg)
		if err != nil || number != f.number+1 {
			f.flush(&run)
			return errors.Join(errConsumerEnded, err)
		}
		f.number = number
		if m.offset <= f.last {
			continue // told as trimmed
		}
		if m.offset > f.last+1 || run.entries == nil {
			f.flush(&run)
			run.after = m.offset - 1
			run.entries = make([]event.Entry, 0, len(messages))
		}
		if f.time.Before(m.at) {
			f.time = m.at
		}
		f.last = m.offset
		run.entries = append(run.entries, f.log.entry(f.epoch, m, f.time))
		run.newest = delivered{offset: m.offset, at: m.at, time: f.time}
	}
	f.flush(&run)
	return nil
}

// run is a number of entries without a gap between them.
type run struct {
	after   uint64
	entries []event.Entry
	newest  delivered
}

// flush delivers a run.
func (f *follower) flush(r *run) {
	if len(r.entries) == 0 {
		return
	}
	f.log.view.followed(f.epoch, r.newest)
	f.deliver(r.after, r.entries)
	*r = run{}
}

// followed returns a message that a consumer got, and the number that the consumer gave it.
func followed(msg jetstream.Msg) (stored, uint64, error) {
	about, err := msg.Metadata()
	if err != nil {
		return stored{}, 0, err
	}
	return stored{
		subject: msg.Subject(), header: msg.Headers(), data: msg.Data(),
		offset: about.Sequence.Stream, at: local(about.Timestamp),
	}, about.Sequence.Consumer, nil
}
