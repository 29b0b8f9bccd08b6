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

// Follow implements [pubsub.Log] with a consumer of its own: in memory, without acknowledgements, gone some seconds after
// its follower. Each time one is made, the identity of the stream is checked, and that the newest message that this node
// has seen is still in its place.
func (l *Log) Follow(ctx context.Context, after event.Position, deliver func(after uint64, entries []event.Entry)) error {
	f := follower{log: l, epoch: after.Epoch, last: after.Offset, deliver: deliver}
	if m := l.view.seen(); m.offset == after.Offset {
		f.shown = m.shown
	}
	for short := 0; ctx.Err() == nil; {
		begun := time.Now()
		err := f.follow(ctx)
		if time.Since(begun) < consumerTime {
			short++
		} else {
			short = 0
		}
		if ctx.Err() == nil && (!errors.Is(err, errConsumerLost) || short > 1) {
			return err
		}
	}
	return nil
}

const (
	// consumerTime is how long a consumer should live at least. When two in a row do not, another one would not either.
	consumerTime = time.Second
	// inactive is how long the server keeps a consumer that nobody asks for messages.
	inactive = 10 * time.Second
	// beat is the interval of the heartbeats of a consumer that has nothing to send. Two that are missing end it.
	beat = 500 * time.Millisecond
	// ahead is how many messages the server sends before the follower has taken the first one.
	ahead = 1024
	// aheadBytes bounds their size, unless a single message is larger.
	aheadBytes = 8 << 20
)

// errConsumerLost means that the consumer has to be made anew.
var errConsumerLost = fmt.Errorf("%w: the consumer ended", pubsub.ErrUnavailable)

// follower delivers the messages of a stream in order.
type follower struct {
	log     *Log
	epoch   event.Epoch
	last    uint64    // offset of the last message that was delivered, or told as trimmed
	shown   time.Time // the time of the last entry
	deliver func(after uint64, entries []event.Entry)

	number uint64 // of the last message of the consumer, which counts from 1
}

// follow follows with one consumer, until it ends.
func (f *follower) follow(ctx context.Context) error {
	epoch, changed := f.log.view.watch()
	if epoch != f.epoch {
		return pubsub.ErrReplaced
	}
	consumer, err := f.start(ctx)
	if err != nil {
		return err
	}
	f.number = 0
	messages, lost := make(chan jetstream.Msg, ahead), make(chan error, 1)
	done := make(chan struct{})
	consuming, err := consumer.Consume(
		func(msg jetstream.Msg) {
			select {
			case messages <- msg:
			case <-done:
			}
		},
		jetstream.PullMaxMessagesWithBytesLimit(ahead, max(aheadBytes, int(f.log.conn.MaxPayload())+64<<10)),
		jetstream.PullExpiry(30*time.Second), jetstream.PullHeartbeat(beat),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			select {
			case lost <- err:
			default:
			}
		}))
	if err != nil {
		return unavailable(err)
	}
	defer func() {
		close(done)
		consuming.Stop()
		<-consuming.Closed()
		f.discard(consumer)
	}()
	return f.receive(ctx, messages, lost, changed)
}

// start makes a consumer, and checks that the stream is the one that is followed. In this order: a consumer that existed
// when the stream was the right one is a consumer of the right one.
func (f *follower) start(ctx context.Context) (jetstream.Consumer, error) {
	requesting, cancel := context.WithTimeout(ctx, 2*f.log.cfg.RequestTime)
	defer cancel()
	consumer, err := f.log.js.CreateConsumer(requesting, f.log.cfg.Stream, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(f.last, f.last+1),
		AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: inactive, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		if _, other := f.log.inspect(ctx); other == nil && f.replaced() {
			return nil, pubsub.ErrReplaced
		}
		return nil, unavailable(fmt.Errorf("following: %w", err))
	}
	info, err := f.log.inspect(ctx)
	if err == nil && epochOf(info) != f.epoch {
		err = pubsub.ErrReplaced
	}
	if err == nil {
		err = f.log.checkMark(ctx, f.epoch)
	}
	if err != nil {
		f.discard(consumer)
		return nil, err
	}
	first, _ := bounds(info)
	f.skipTo(first)
	return consumer, nil
}

func (f *follower) replaced() bool {
	epoch, _ := f.log.view.now()
	return epoch != f.epoch
}

// discard deletes a consumer, so that it does not count for the seconds that the server keeps it. It does not matter if
// that fails.
func (f *follower) discard(consumer jetstream.Consumer) {
	name := consumer.CachedInfo().Name
	_ = f.log.conn.Publish("$JS.API.CONSUMER.DELETE."+f.log.cfg.Stream+"."+name, nil)
}

// checkMark returns an error unless the newest message that this node has seen is still in its place, as far as it is
// kept.
func (l *Log) checkMark(ctx context.Context, epoch event.Epoch) error {
	m := l.view.seen()
	if m.offset == 0 {
		return nil
	}
	found, err := l.message(ctx, m.offset)
	switch {
	case errors.Is(err, errNoMessage):
		return nil // trimmed: a stream that ends before it is behind, which inspect says
	case err != nil:
		return err
	case !found.at.Equal(m.at):
		l.rolledBack(epoch)
		return errBehind
	}
	return nil
}

// receive delivers messages until the context, the consumer or the epoch ends.
func (f *follower) receive(ctx context.Context, messages <-chan jetstream.Msg, lost <-chan error, changed <-chan struct{}) error {
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
		case err := <-lost:
			return fmt.Errorf("%w: %w", errConsumerLost, err)
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
	for len(more) > 0 && len(all) < ahead {
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
			return errors.Join(errConsumerLost, err)
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
		if f.shown.Before(m.at) {
			f.shown = m.at
		}
		f.last = m.offset
		run.entries = append(run.entries, f.log.entry(f.epoch, m, f.shown))
		run.mark = mark{offset: m.offset, at: m.at, shown: f.shown}
	}
	f.flush(&run)
	return nil
}

// run is a number of entries without a gap between them.
type run struct {
	after   uint64
	entries []event.Entry
	mark    mark
}

// flush delivers a run.
func (f *follower) flush(r *run) {
	if len(r.entries) == 0 {
		return
	}
	f.log.view.followed(f.epoch, r.mark)
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
