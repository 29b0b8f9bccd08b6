package natslog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// Headers of an atomic batch (ADR-50 of NATS).
const (
	headerBatch       = "Nats-Batch-Id"
	headerBatchNumber = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
)

// batch appends events of which no two have the same key. JetStream refuses the whole batch for one key that is known,
// and does not say which: then each key is asked for, and the rest is sent again.
func (a *appending) batch(ctx context.Context, events []event.Event) ([]place, error) {
	places := make([]place, len(events))
	rest := make([]int, len(events)) // indexes of the events that are not placed yet
	for i := range rest {
		rest[i] = i
	}
	for {
		if len(rest) == 1 {
			one, err := a.one(ctx, events[rest[0]])
			places[rest[0]] = one
			return places, atIndex(err, rest[0])
		}
		ack, err := a.send(ctx, events, rest)
		switch {
		case err == nil:
			for i, at := range rest {
				places[at] = place{offset: ack.Sequence - uint64(len(rest)-1-i)}
			}
			return places, a.check(ack, len(rest))
		case isCode(err, codeKnownID):
			if rest, err = a.known(ctx, events, rest, places); err != nil {
				return nil, err
			}
			if len(rest) == 0 {
				return places, nil
			}
		default:
			if err := a.again(ctx, err, allKeyed(events, rest)); err != nil {
				return nil, err
			}
		}
	}
}

func allKeyed(events []event.Event, rest []int) bool {
	for _, at := range rest {
		if events[at].Key.IsZero() {
			return false
		}
	}
	return true
}

func isCode(err error, code int) bool {
	api, ok := errors.AsType[*apiError](err)
	return ok && api.ErrCode == code
}

// send publishes a batch and returns its acknowledgement, which is that of the last message.
func (a *appending) send(ctx context.Context, events []event.Event, rest []int) (ack, error) {
	select {
	case a.log.batches <- struct{}{}:
		defer func() { <-a.log.batches }()
	case <-ctx.Done():
		return ack{}, ctx.Err()
	case <-time.After(keyedRetryLimit):
		return ack{}, errTooMany
	}
	id := nuid.Next()
	bytes := 0
	for i, at := range rest {
		msg := encode(a.log.prefix, events[at])
		if msg.Header == nil {
			msg.Header = nats.Header{}
		}
		msg.Header.Set(headerBatch, id)
		msg.Header.Set(headerBatchNumber, strconv.Itoa(i+1))
		bytes += len(msg.Data)
		if i == len(rest)-1 {
			msg.Header.Set(headerBatchCommit, "1")
			return a.log.publish(ctx, msg, a.log.cfg.RequestTime+time.Duration(bytes)*timePerByte)
		}
		if err := a.log.conn.PublishMsg(msg); err != nil {
			return ack{}, notSent(err)
		}
	}
	return ack{}, nil
}

var errTooMany = fmt.Errorf("%w: too many batches are in flight", pubsub.ErrUnavailable)

// timePerByte is how much longer an acknowledgement is waited for with each byte of a batch: a second for a MiB.
const timePerByte = time.Second / (1 << 20)

// notSent returns the error of a batch whose end was not sent, so that nothing of it is stored.
func notSent(err error) error {
	if outcomeOf(err) == outcomeUnknown {
		return errors.Join(nats.ErrDisconnected, err)
	}
	return err
}

// maxKeyRequests is how many keys are asked for at the same time.
const maxKeyRequests = 32

// known asks for each key whether it is known, notes the places of those that are, and returns the others. It fails with a
// [pubsub.KeyReusedError] for the first event whose key belongs to another one.
func (a *appending) known(ctx context.Context, events []event.Event, rest []int, places []place) ([]int, error) {
	found := make([]bool, len(events))
	failed := make([]error, len(events))
	var all sync.WaitGroup
	requests := make(chan struct{}, maxKeyRequests)
	for _, at := range rest {
		if events[at].Key.IsZero() {
			continue
		}
		requests <- struct{}{}
		all.Go(func() {
			defer func() { <-requests }()
			places[at], found[at], failed[at] = a.firstOf(ctx, events[at])
		})
	}
	all.Wait()
	var others []int
	for _, at := range rest {
		if failed[at] != nil {
			return nil, atIndex(failed[at], at)
		}
		if !found[at] {
			others = append(others, at)
		}
	}
	return others, nil
}

// atIndex adds the index of an event to the error that its key belongs to another one.
func atIndex(err error, index int) error {
	if errors.Is(err, pubsub.ErrKeyReused) {
		return &pubsub.KeyReusedError{Index: index}
	}
	return err
}

// firstOf returns the place of the first event with the key of an event, if it is known. It publishes the event on a
// condition that cannot hold: JetStream looks at the id first and answers with its sequence, else it refuses.
func (a *appending) firstOf(ctx context.Context, e event.Event) (place, bool, error) {
	msg := encode(a.log.prefix, event.Event{Topics: e.Topics, Key: e.Key})
	msg.Header.Set(nats.ExpectedLastMsgIdHdr, nuid.Next())
	if a.log.replicated.Load() {
		msg.Header.Set(nats.ExpectedLastSeqHdr, strconv.FormatUint(math.MaxUint64, 10))
	}
	probe := appending{log: a.log, started: time.Now()}
	for {
		ack, err := a.log.publish(ctx, msg, a.log.cfg.RequestTime)
		switch {
		case err == nil && ack.Duplicate:
			first, err := a.repeat(ctx, e, ack.Sequence)
			return first, true, err
		case isCode(err, codeWrongLastID), isCode(err, codeWrongLastSequence):
			return place{}, false, nil
		case err == nil:
			return place{}, false, a.failure(errors.New("JetStream stored a message on a condition that cannot hold"))
		}
		if err := probe.again(ctx, err, true); err != nil {
			return place{}, false, a.failure(err)
		}
	}
}
