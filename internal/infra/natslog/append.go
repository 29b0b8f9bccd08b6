package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// place is where an event of an append is in the stream.
type place struct {
	offset   uint64
	repeated bool // the key was known: the event at the offset is the first one with it
}

// Append implements [pubsub.Log]. Several events are an atomic batch of JetStream, of at most [MaxBatch] messages. An event
// whose key is known is compared with the first one as long as that is kept.
func (l *Log) Append(ctx context.Context, events []event.Event) ([]pubsub.Appended, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fresh := fold(events)
	if len(events) == 0 {
		return []pubsub.Appended{}, nil
	}
	if len(fresh.events) > MaxBatch {
		return nil, fmt.Errorf("cannot append %d events together, at most %d", len(fresh.events), MaxBatch)
	}
	a := appending{log: l, started: time.Now()}
	a.epoch, a.last = l.view.now()
	appended, err := a.append(ctx, fresh)
	if err != nil {
		return nil, ended(ctx, err)
	}
	return appended, nil
}

// appending is one append in progress.
type appending struct {
	log      *Log
	started  time.Time
	epoch    event.Epoch // of the stream when it began
	last     uint64      // what the stream held then
	noAnswer bool        // a try got no answer, so that the events may be stored
	pause    time.Duration
}

// append appends events, and says what became of each.
func (a *appending) append(ctx context.Context, f folded) ([]pubsub.Appended, error) {
	if f.reused >= 0 {
		return nil, a.reused(ctx, f)
	}
	var places []place
	var err error
	if len(f.events) == 1 {
		places = make([]place, 1)
		places[0], err = a.one(ctx, f.events[0])
	} else {
		places, err = a.batch(ctx, f.events)
	}
	if reused, ok := errors.AsType[*pubsub.KeyReusedError](err); ok {
		return nil, &pubsub.KeyReusedError{Index: f.from[reused.Index]}
	}
	if err != nil {
		return nil, err
	}
	return a.result(f, places)
}

// reused returns the error of an append that has a key twice with different events. An earlier event may have the key of
// another one in the log.
func (a *appending) reused(ctx context.Context, f folded) error {
	rest := make([]int, 0, len(f.events))
	for i, from := range f.from {
		if from < f.reused {
			rest = append(rest, i)
		}
	}
	_, err := a.known(ctx, f.events, rest, make([]place, len(f.events)))
	if reused, ok := errors.AsType[*pubsub.KeyReusedError](err); ok {
		return &pubsub.KeyReusedError{Index: f.from[reused.Index]}
	}
	if err != nil {
		return err
	}
	return &pubsub.KeyReusedError{Index: f.reused}
}

// one appends one event. JetStream itself answers with the first message when the key is known.
func (a *appending) one(ctx context.Context, e event.Event) (place, error) {
	msg := encode(a.log.prefix, e)
	for {
		ack, err := a.log.publish(ctx, msg, a.log.cfg.RequestTime)
		if err == nil && ack.Duplicate {
			return a.repeat(ctx, e, ack.Sequence)
		}
		if err == nil {
			return place{offset: ack.Sequence}, a.check(ack, 1)
		}
		if err := a.again(ctx, err, !e.Key.IsZero()); err != nil {
			return place{}, err
		}
	}
}

// repeat returns the place of an event whose key is known, or a [pubsub.KeyReusedError] with index 0 if it is not the event
// that is there.
func (a *appending) repeat(ctx context.Context, e event.Event, offset uint64) (place, error) {
	// A message that was stored during this append is that of a try whose answer was lost, or another publisher's.
	at := place{offset, !a.noAnswer || offset <= a.last}
	m, err := a.log.message(ctx, offset)
	if errors.Is(err, errNoMessage) {
		return at, nil // no longer kept
	}
	if err != nil {
		return place{}, a.failure(err)
	}
	first, err := m.decode(a.log.prefix, a.log.cfg.EventBytes)
	if err != nil || first.Fingerprint() != e.Fingerprint() {
		return place{}, &pubsub.KeyReusedError{}
	}
	return at, nil
}

// check returns an error unless an acknowledgement of n messages can be of the stream as it was when the append began.
// One that stores something at a place that was taken has lost messages.
func (a *appending) check(ack ack, n int) error {
	if ack.Stream != a.log.cfg.Stream {
		return unknown(fmt.Errorf("stored by stream %s", ack.Stream))
	}
	if !ack.Duplicate && ack.Sequence < a.last+uint64(n) {
		a.log.rolledBack(a.epoch)
		return unknown(pubsub.ErrReplaced)
	}
	return nil
}

// result says what became of each event, given the place of each folded one.
func (a *appending) result(f folded, places []place) ([]pubsub.Appended, error) {
	newest := uint64(0)
	for _, p := range places {
		newest = max(newest, p.offset)
	}
	a.log.view.stored(a.epoch, newest)
	if epoch, _ := a.log.view.now(); epoch != a.epoch {
		return nil, unknown(pubsub.ErrReplaced)
	}
	appended := make([]pubsub.Appended, len(f.place))
	for i, at := range f.place {
		appended[i] = pubsub.Appended{
			Position: event.Position{Epoch: a.epoch, Offset: places[at].offset},
			Repeated: places[at].repeated || f.from[at] != i,
		}
	}
	return appended, nil
}
