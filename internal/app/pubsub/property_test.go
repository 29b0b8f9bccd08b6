package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// run executes the plan and returns the first difference from the model. It counts in events what happened.
func (p plan) run(t *testing.T, events map[string]int) error {
	t.Helper()
	cfg := config()
	cfg.Window.Events, cfg.Shards, cfg.Slow = p.Window, p.Shards, p.Slow
	log := newLog(p.Keep)
	log.slow = p.ReadTakes
	f := start(t, cfg, log)
	var all []*listener
	failed := false
	for i, s := range p.Steps {
		var err error
		switch s.Do {
		case "publish", "burst":
			switch {
			case failed:
			case s.Settle && s.Do == "publish":
				f.trickle(s.N, s.Topics...)
			default:
				f.publish(s.N, s.Topics...)
			}
		case "trim":
			log.Trim(s.N)
		case "skip":
			log.SkipOffsets(uint64(s.N))
		case "open":
			var l *listener
			if l, err = f.openStep(s, p.Slow); l != nil {
				all = append(all, l)
			}
		case "room", "stall", "ready", "end":
			if len(all) == 0 {
				continue
			}
			l := all[s.Stream%len(all)]
			switch s.Do {
			case "room":
				l.sink.SetRoom(s.Room)
				l.stream.Ready()
			case "stall": // until the stream is outside the window, and long enough for the engine to notice
				l.sink.SetRoom(0)
				if !failed {
					f.trickle(p.Window+2, "a", "b", "a/1/x", "c")
				}
				time.Sleep(20 * time.Second)
			case "ready":
				l.stream.Ready()
			case "end":
				l.stream.End(pubsub.EndGone)
			}
		case "wait":
			time.Sleep(time.Duration(s.N) * time.Millisecond)
		case "fail":
			if !failed {
				failed = true
				log.Fail(pubsub.ErrUnavailable)
			}
		case "recover":
			if failed {
				failed = false
				log.Recover()
			}
		default:
			err = errUnknownStep
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		if s.Settle {
			f.record(all, events)
		}
	}
	// At the end the log is available and every client reads, so every expected event must come.
	if failed {
		log.Recover()
	}
	for _, l := range all {
		l.sink.SetRoom(-1)
		l.stream.Ready()
	}
	time.Sleep(time.Minute)
	f.publish(1, "a", "b", "a/1", "a/1/x", "c")
	time.Sleep(time.Minute)
	f.record(all, events)
	events["small walk"] += int(f.engine.SmallWalks())
	for i, l := range all {
		for _, x := range l.sink.Calls() {
			events[x.what+" "+string(x.why)+string(x.reset.Reason)]++
		}
		if err := l.check(log.All()); err != nil {
			return fmt.Errorf("stream %d (%v): %w", i, l.sub.Patterns, err)
		}
	}
	return f.stop()
}

// openStep opens a stream as the step says and checks where it starts.
func (f *fixture) openStep(s step, policy pubsub.SlowPolicy) (*listener, error) {
	extent := f.log.Extent()
	if s.Start.kind == "after" {
		s.Start.offset = uint64(max(0, int(extent.Newest)-s.N))
	}
	l := &listener{sink: newSink(), policy: policy, sub: pubsub.Subscription{
		Patterns: patterns(s.Asked...), Grant: access.Allow(patterns(s.Granted...)...), Start: s.Start.start(),
	}}
	l.sink.SetRoom(s.Room)
	// Reads by Open take no time, so that the model knows what they find.
	var kept []event.Entry
	var slow time.Duration
	f.log.Set(func(log *fakeLog) { kept, slow, log.slow = slices.Clone(log.entries), log.slow, 0 })
	defer f.log.Set(func(log *fakeLog) { log.slow = slow })
	var err error
	l.stream, err = f.engine.Open(context.Background(), l.sub)
	if errors.Is(err, pubsub.ErrUnavailable) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := l.checkStart(s.Start, kept, extent, time.Now()); err != nil {
		return nil, err
	}
	l.stream.Attach(l.sink)
	return l, nil
}

// record waits until everything is idle and counts how the states of streams changed since it was last called.
func (f *fixture) record(all []*listener, events map[string]int) {
	synctest.Wait()
	if f.engine.Behind() {
		events["shard behind"]++
	}
	for _, l := range all {
		if state := l.stream.State(); state != l.state {
			events[l.state+">"+state]++
			l.state = state
		}
	}
}

// Whatever is published, trimmed, subscribed to, stalled, resumed and ended, in any order: every stream gets exactly the
// events it subscribed to after its start, or a reset tells it after which position it gets them.
func TestStreamsEqualTheModel(t *testing.T) {
	events := make(map[string]int)
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlan(rt)
		var err error
		synctest.Test(t, func(t *testing.T) { err = p.run(t, events) })
		if err != nil {
			rt.Fatal(err)
		}
	})
	// A run that did not reach every state proves little.
	for _, required := range []string{
		">live", ">parked", ">reading", "live>parked", "parked>live", "reading>live", "reading>parked",
		"parked>reading", "live>closed", "parked>closed", "reading>closed",
		"shard behind", "small walk", "item ", "heartbeat ", "reset slow", "reset expired", "close gone", "close slow",
	} {
		assert.NotZero(t, events[required], "%q never happened", required)
	}
	for _, what := range slices.Sorted(maps.Keys(events)) {
		t.Logf("%7d %s", events[what], what)
	}
}
