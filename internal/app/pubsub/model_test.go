package pubsub_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// listener is a stream of the model: its subscription, its start, and the calls of its sink.
type listener struct {
	sub    pubsub.Subscription
	stream *pubsub.Stream
	sink   *fakeSink
	policy pubsub.SlowPolicy
	state  string // when it was last recorded
}

// wants reports whether an event must be delivered, in the simplest implementation.
func (l *listener) wants(e event.Event) bool {
	return slices.ContainsFunc(e.Topics, func(t event.Topic) bool {
		return l.sub.Grant.Allows(t) && slices.ContainsFunc(l.sub.Patterns, func(p event.Pattern) bool { return p.Matches(t) })
	})
}

func (l *listener) matching(entries []event.Entry, after uint64) []event.Entry {
	var found []event.Entry
	for _, e := range entries {
		if e.Position.Offset > after && l.wants(e.Event) {
			found = append(found, e)
		}
	}
	return found
}

// check compares the calls of the sink with everything ever in the log. The sink must have got everything that matches
// after the start, in order, each once; and after a reset everything that matches after the position of the reset.
func (l *listener) check(all []event.Entry) error {
	if err := l.sink.Violation(); err != nil {
		return err
	}
	begin, _ := opening(l.stream)
	reached := begin.Offset
	matching := l.matching(all, 0)
	expected := after(matching, reached)
	closed := false
	for i, x := range l.sink.Calls() {
		switch x.what {
		case "item":
			if len(expected) == 0 || x.at != expected[0].Position {
				return fmt.Errorf("call %d: item %s after %d, expected %v", i, x.at, reached, offsets(expected))
			}
			if x.event.Data != expected[0].Event.Data {
				return fmt.Errorf("call %d: item with data %q at %s", i, x.event.Data, x.at)
			}
			reached, expected = x.at.Offset, expected[1:]
		case "heartbeat":
			if x.at.IsZero() {
				continue
			}
			if x.at.Offset <= reached || len(expected) > 0 && expected[0].Position.Offset <= x.at.Offset {
				return fmt.Errorf("call %d: heartbeat at %s after %d, expected %v", i, x.at, reached, offsets(expected))
			}
			reached = x.at.Offset
		case "reset":
			if err := l.checkReset(x.reset, reached, all); err != nil {
				return fmt.Errorf("call %d: %w", i, err)
			}
			reached = x.at.Offset
			expected = after(matching, reached)
		case "close":
			closed = true
		}
	}
	if !closed && len(expected) > 0 {
		return fmt.Errorf("%s stream at %d never got %v", l.stream.State(), reached, offsets(expected))
	}
	return nil
}

// checkReset checks that a reset comes only when something was missed, and does not go back.
func (l *listener) checkReset(r pubsub.Reset, reached uint64, all []event.Entry) error {
	from, err := event.ParsePosition(r.Requested)
	if err != nil {
		return err
	}
	missed := len(after(all, from.Offset)) > len(after(all, r.At.Offset))
	switch {
	case from.Offset < reached:
		// The position was the stream's cursor, which is never behind what its client has.
		return fmt.Errorf("reset from %d after %d", from.Offset, reached)
	case r.At.Offset < from.Offset:
		return fmt.Errorf("reset from %d back to %d", from.Offset, r.At.Offset)
	case !missed:
		return fmt.Errorf("reset from %d to %d, but nothing was missed", from.Offset, r.At.Offset)
	case r.Reason == pubsub.ResetSlow && l.policy != pubsub.SlowSkip, r.Reason != pubsub.ResetSlow && r.Reason != pubsub.ResetExpired:
		return fmt.Errorf("reset with reason %s", r.Reason)
	}
	return nil
}

// checkStart compares where a subscription starts with what the log keeps at that moment.
func (l *listener) checkStart(s startRequest, kept []event.Entry, extent pubsub.Extent, now time.Time) error {
	begin, reset := opening(l.stream)
	wrong := fmt.Errorf("%+v started at %d with reset %+v in %+v", s, begin.Offset, reset, extent)
	floor := extent.Oldest - 1
	missed := false // events that were asked for may have been trimmed
	switch s.kind {
	case "after":
		want, why := s.offset, pubsub.ResetReason("")
		if s.offset > extent.Newest {
			want, why = extent.Newest, pubsub.ResetFuture
		} else if s.offset < floor {
			want, why = floor, pubsub.ResetExpired
		}
		if begin.Offset != want || (reset == nil) != (why == "") || reset != nil && reset.Reason != why {
			return wrong
		}
		return nil
	case "next":
		if begin.Offset != extent.Newest {
			return wrong
		}
	case "last":
		want := min(s.n, len(l.matching(kept, 0)))
		if len(l.matching(kept, begin.Offset)) != want {
			return wrong
		}
		missed = floor > 0 && want < s.n
	case "since":
		missed = floor > 0 && s.age > 0
		for _, e := range kept {
			if (now.Sub(e.Time) <= s.age) != (e.Position.Offset > begin.Offset) {
				return wrong
			}
			missed = missed && now.Sub(e.Time) <= s.age
		}
	}
	if (reset != nil) != missed || missed && (reset.Reason != pubsub.ResetExpired || reset.At != begin) {
		return wrong
	}
	if begin.Offset < floor || begin.Offset > extent.Newest {
		return wrong
	}
	return nil
}

// startRequest is a start that the model can evaluate.
type startRequest struct {
	kind   string
	offset uint64
	n      int
	age    time.Duration
}

func (s startRequest) start() pubsub.Start {
	switch s.kind {
	case "after":
		return pubsub.After(at(s.offset).String())
	case "last":
		return pubsub.Last(s.n)
	case "since":
		return pubsub.Since(s.age)
	}
	return pubsub.Start{}
}

// after returns the entries after an offset.
func after(entries []event.Entry, offset uint64) []event.Entry {
	n, _ := slices.BinarySearchFunc(entries, offset+1, func(e event.Entry, want uint64) int {
		return cmp.Compare(e.Position.Offset, want)
	})
	return entries[n:]
}

func offsets(entries []event.Entry) []uint64 {
	list := []uint64{}
	for _, e := range entries[:min(len(entries), 20)] {
		list = append(list, e.Position.Offset)
	}
	return list
}

var errUnknownStep = errors.New("unknown step")
