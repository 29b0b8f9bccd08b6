package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

const (
	// tryTime is how long an acknowledgement is waited for. NATS does not fail a request whose connection breaks.
	tryTime = time.Second
	// patience is for how long an append is tried again of which nothing was stored: a leader is being elected, a place is
	// taken, the connection is being made anew.
	patience = time.Second
	// keyedPatience is for how long events with keys are tried again whose answer was lost.
	keyedPatience = 5 * time.Second
	// firstPause is the pause after the first try; it doubles up to longestPause.
	firstPause   = 5 * time.Millisecond
	longestPause = 200 * time.Millisecond
)

// place is where an event of an append is in the stream.
type place struct {
	offset uint64
	repeat bool // the key was known: the event at the offset is the first one with it
}

// Append implements [pubsub.Log]. Several events are an atomic batch of JetStream, of at most [MaxBatch] messages.
func (l *Log) Append(ctx context.Context, events []event.Event) ([]event.Position, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fresh, index := fold(events)
	if len(fresh) == 0 {
		return []event.Position{}, nil
	}
	if len(fresh) > MaxBatch {
		return nil, fmt.Errorf("cannot append %d events together, at most %d", len(fresh), MaxBatch)
	}
	a := appending{log: l, started: time.Now()}
	a.epoch, a.last = l.view.now()
	places, err := a.all(ctx, fresh)
	if err != nil {
		return nil, ended(ctx, err)
	}
	return a.positions(ctx, places, index)
}

// fold returns the events without those whose key comes earlier, and for each event its index among the former.
func fold(events []event.Event) (fresh []event.Event, index []int) {
	index = make([]int, len(events))
	if len(events) == 1 {
		return events, index
	}
	first := make(map[event.Key]int)
	for i, e := range events {
		at, repeated := first[e.Key]
		if e.Key.IsZero() || !repeated {
			at = len(fresh)
			fresh = append(fresh, e)
			if !e.Key.IsZero() {
				first[e.Key] = at
			}
		}
		index[i] = at
	}
	return fresh, index
}

// appending is one append in progress.
type appending struct {
	log     *Log
	started time.Time
	epoch   event.Epoch // of the stream when it began
	last    uint64      // what the stream held then
	lost    bool        // an answer was lost, so that the events may be stored
	pause   time.Duration
}

// all appends events of which no two have the same key.
func (a *appending) all(ctx context.Context, events []event.Event) ([]place, error) {
	if len(events) > 1 {
		return a.batch(ctx, events)
	}
	one, err := a.one(ctx, events[0])
	return []place{one}, err
}

// one appends one event. JetStream itself answers with the first message when the key is known.
func (a *appending) one(ctx context.Context, e event.Event) (place, error) {
	msg := encode(a.log.prefix, e)
	for {
		ack, err := a.log.publish(ctx, msg, tryTime)
		if err == nil {
			return place{ack.Sequence, ack.Duplicate}, a.check(ack, 1)
		}
		if err := a.again(ctx, err, !e.Key.IsZero()); err != nil {
			return place{}, err
		}
	}
}

// again waits before the next try, or returns the error of the append. The events are keyed if trying again cannot store
// any of them twice.
func (a *appending) again(ctx context.Context, err error, keyed bool) error {
	outcome := outcomeOf(err)
	if outcome == outcomeRefused {
		return a.failure(err)
	}
	if outcome == outcomeLost {
		a.lost = true
	}
	limit := patience
	if a.lost {
		limit = keyedPatience
	}
	if a.lost && !keyed || time.Since(a.started) > limit || a.log.away() {
		return a.failure(err)
	}
	if outcome == outcomeLost {
		return ctx.Err() // the try has taken its time
	}
	a.pause = min(max(2*a.pause, firstPause), longestPause)
	select {
	case <-time.After(a.pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failure returns the error of an append whose last try failed with err.
func (a *appending) failure(err error) error {
	switch {
	case a.lost:
		return unknown(err)
	case errors.Is(err, nats.ErrMaxPayload):
		return err // trying again does not help
	}
	return unavailable(err)
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

// positions returns the position of each event, given the index of its place.
func (a *appending) positions(_ context.Context, places []place, index []int) ([]event.Position, error) {
	newest := uint64(0)
	for _, p := range places {
		newest = max(newest, p.offset)
	}
	a.log.view.stored(a.epoch, newest)
	if epoch, _ := a.log.view.now(); epoch != a.epoch {
		return nil, unknown(pubsub.ErrReplaced)
	}
	positions := make([]event.Position, len(index))
	for i, at := range index {
		positions[i] = event.Position{Epoch: a.epoch, Offset: places[at].offset}
	}
	return positions, nil
}
