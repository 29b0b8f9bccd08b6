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

// listener is a stream of the model: what it asked for, where it started, and what its sink was told.
type listener struct {
	sub    pubsub.Subscription
	stream *pubsub.Stream
	sink   *fakeSink
	policy pubsub.SlowPolicy
	state  string // when it was last looked at
}

// wants is the rule of delivery, said in the plainest way.
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

// check compares what the sink was told with what the log ever held: everything that matches after the start, in
// order, each once; and after a reset everything that matches after where the reset says.
func (l *listener) check(all []event.Entry) error {
	if err := l.sink.Violation(); err != nil {
		return err
	}
	begin, _ := opening(l.stream)
	seen := begin.Offset
	mine := l.matching(all, 0)
	due := after(mine, seen)
	ended := false
	for i, x := range l.sink.Calls() {
		switch x.what {
		case "item":
			if len(due) == 0 || x.at != due[0].Position {
				return fmt.Errorf("call %d brought %s after %d; due were %v", i, x.at, seen, offsets(due))
			}
			if x.event.Data != due[0].Event.Data {
				return fmt.Errorf("call %d brought %q as %s", i, x.event.Data, x.at)
			}
			seen, due = x.at.Offset, due[1:]
		case "heartbeat":
			if x.at.IsZero() {
				continue
			}
			if x.at.Offset <= seen || len(due) > 0 && due[0].Position.Offset <= x.at.Offset {
				return fmt.Errorf("call %d told %s after %d; due were %v", i, x.at, seen, offsets(due))
			}
			seen = x.at.Offset
		case "reset":
			if err := l.checkReset(x.reset, seen, all); err != nil {
				return fmt.Errorf("call %d: %w", i, err)
			}
			seen = x.at.Offset
			due = after(mine, seen)
		case "close":
			ended = true
		}
	}
	if !ended && len(due) > 0 {
		return fmt.Errorf("%s at %d and never got %v", l.stream.State(), seen, offsets(due))
	}
	return nil
}

// checkReset holds that a reset comes only where something was missed, and leads forward.
func (l *listener) checkReset(r pubsub.Reset, seen uint64, all []event.Entry) error {
	from, err := event.ParsePosition(r.Requested)
	if err != nil {
		return err
	}
	missed := len(after(all, from.Offset)) > len(after(all, r.At.Offset))
	switch {
	case from.Offset < seen:
		// The position was the stream's cursor, which is never behind what its client has.
		return fmt.Errorf("a reset from %d after %d", from.Offset, seen)
	case r.At.Offset < from.Offset:
		return fmt.Errorf("a reset from %d back to %d", from.Offset, r.At.Offset)
	case !missed:
		return fmt.Errorf("a reset from %d to %d, and nothing was missed", from.Offset, r.At.Offset)
	case r.Reason == pubsub.ResetSlow && l.policy != pubsub.SlowSkip, r.Reason != pubsub.ResetSlow && r.Reason != pubsub.ResetExpired:
		return fmt.Errorf("a reset because of %s", r.Reason)
	}
	return nil
}

// checkStart compares where a subscription begins with what the log holds at that moment.
func (l *listener) checkStart(s startWish, kept []event.Entry, extent pubsub.Extent, now time.Time) error {
	begin, reset := opening(l.stream)
	wrong := fmt.Errorf("%+v began at %d with %+v in %+v", s, begin.Offset, reset, extent)
	floor := extent.Oldest - 1
	switch s.how {
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
	case "since":
		for _, e := range kept {
			if (now.Sub(e.Time) <= s.age) != (e.Position.Offset > begin.Offset) {
				return wrong
			}
		}
	}
	if reset != nil || begin.Offset < floor || begin.Offset > extent.Newest {
		return wrong
	}
	return nil
}

// startWish is a start the model can look into.
type startWish struct {
	how    string
	offset uint64
	n      int
	age    time.Duration
}

func (s startWish) start() pubsub.Start {
	switch s.how {
	case "after":
		return pubsub.After(at(s.offset).String())
	case "last":
		return pubsub.Last(s.n)
	case "since":
		return pubsub.Since(s.age)
	}
	return pubsub.Start{}
}

// after is what of the entries stands after an offset.
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

var errUnknownStep = errors.New("no such step")
