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
	if m := l.view.newestDelivered(); m.offset == after.Offset {
		f.time = m.time
	}
	for short := 0; ctx.Err() == nil; {
		begun := time.Now()
		err := f.follow(ctx)
		if time.Since(begun) < consumerTime {
			short++
		} else {
			short = 0
		}
		if ctx.Err() == nil && (!errors.Is(err, errConsumerEnded) || short > 1) {
			return err
		}
	}
	return nil
}

const (
	// consumerTime is how long a consumer should live at least. When two in a row do not, another one would not either.
	consumerTime = time.Second
	// inactiveTimeout is how long the server keeps a consumer that nobody asks for messages.
	inactiveTimeout = 10 * time.Second
	// heartbeat is the interval of the heartbeats of a consumer that has nothing to send. Two that are missing end it.
	heartbeat = 500 * time.Millisecond
	// prefetch is how many messages the server sends before the follower has taken the first one.
	prefetch = 1024
	// prefetchBytes bounds their size, unless a single message is larger.
	prefetchBytes = 8 << 20
)

// errConsumerEnded means that the consumer has to be made anew.
var errConsumerEnded = fmt.Errorf("%w: the consumer ended", pubsub.ErrUnavailable)

// follower delivers the messages of a stream in order.
type follower struct {
	log     *Log
	epoch   event.Epoch
	last    uint64    // offset of the last message that was delivered, or told as trimmed
	time    time.Time // of the last entry
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
	messages, failed := make(chan jetstream.Msg, prefetch), make(chan error, 1)
	done := make(chan struct{})
	consuming, err := consumer.Consume(
		func(msg jetstream.Msg) {
			select {
			case messages <- msg:
			case <-done:
			}
		},
		jetstream.PullMaxMessagesWithBytesLimit(prefetch, max(prefetchBytes, int(f.log.conn.MaxPayload())+64<<10)),
		jetstream.PullExpiry(30*time.Second), jetstream.PullHeartbeat(heartbeat),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			select {
			case failed <- err:
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
	return f.receive(ctx, messages, failed, changed)
}

// start makes a consumer, and checks that the stream is the one that is followed. In this order: a consumer that existed
// when the stream was the right one is a consumer of the right one.
func (f *follower) start(ctx context.Context) (jetstream.Consumer, error) {
	requesting, cancel := context.WithTimeout(ctx, 2*f.log.cfg.RequestTime)
	defer cancel()
	consumer, err := f.log.js.CreateConsumer(requesting, f.log.cfg.Stream, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(f.last, f.last+1),
		AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: inactiveTimeout, MemoryStorage: true, Replicas: 1,
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
		err = f.log.checkNewest(ctx, f.epoch)
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

// checkNewest returns an error unless the newest message that this node has seen is still in its place, as far as it is
// kept.
func (l *Log) checkNewest(ctx context.Context, epoch event.Epoch) error {
	m := l.view.newestDelivered()
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
