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

// step is one thing that happens to the engine. The meaning of its numbers depends on Do.
type step struct {
	Do      string
	N       int
	Stream  int
	Topics  []string
	Asked   []string // patterns
	Granted []string
	Start   startRequest
	Room    int
	Settle  bool // wait until everything is idle after it
}

// plan is a random run of an engine.
type plan struct {
	Window, Keep, Shards int
	Slow                 pubsub.SlowPolicy
	ReadTakes            time.Duration
	Steps                []step
}

var (
	someTopic   = rapid.SampledFrom([]string{"a", "b", "a/1", "a/2", "a/1/x", "b/1", "c"})
	somePattern = rapid.SampledFrom([]string{"a", "b", "a/1", "a/*", "a/**", "**", "*", "*/1", "c", "b/**", "*/*/x"})
	someDo      = rapid.SampledFrom([]string{
		"publish", "publish", "publish", "publish", "publish", "burst", "trim", "skip", "open", "open", "open",
		"room", "room", "room", "room", "stall", "ready", "end", "wait", "wait", "wait", "away", "back", "back", "back",
	})
)

func drawStep(t *rapid.T) step {
	s := step{Do: someDo.Draw(t, "do"), Settle: rapid.Bool().Draw(t, "settle")}
	switch s.Do {
	case "publish":
		s.N = rapid.IntRange(1, 8).Draw(t, "n")
		s.Topics = rapid.SliceOfN(someTopic, 1, 3).Draw(t, "topics")
	case "burst":
		s.N = rapid.IntRange(240, 300).Draw(t, "n")
		s.Topics = rapid.SliceOfN(someTopic, 1, 3).Draw(t, "topics")
	case "trim":
		s.N = rapid.IntRange(1, 20).Draw(t, "n")
	case "skip":
		s.N = rapid.IntRange(1, 3).Draw(t, "n")
	case "open":
		s.Asked = rapid.SliceOfN(somePattern, 1, 3).Draw(t, "asked")
		s.Granted = rapid.SliceOfN(rapid.SampledFrom([]string{"**", "**", "a/**", "a", "*"}), 1, 2).Draw(t, "granted")
		s.Room = rapid.IntRange(-1, 5).Draw(t, "room")
		s.Start = startRequest{kind: rapid.SampledFrom([]string{"next", "after", "after", "last", "since"}).Draw(t, "how")}
		s.N = rapid.IntRange(-2, 60).Draw(t, "back") // how far before the newest offset "after" goes
		s.Start.n = rapid.IntRange(0, 30).Draw(t, "last")
		s.Start.age = time.Duration(rapid.IntRange(0, 30).Draw(t, "since")) * time.Second
	case "room":
		s.Stream, s.Room = rapid.IntRange(0, 20).Draw(t, "stream"), rapid.IntRange(-1, 8).Draw(t, "room")
	case "stall", "ready", "end":
		s.Stream = rapid.IntRange(0, 20).Draw(t, "stream")
	case "wait":
		s.N = rapid.SampledFrom([]int{1, 30, 2000, 20_000, 20_000}).Draw(t, "ms")
	}
	return s
}

func drawPlan(t *rapid.T) plan {
	return plan{
		Window:    rapid.IntRange(1, 6).Draw(t, "window"),
		Keep:      rapid.SampledFrom([]int{0, 0, 3, 10, 300}).Draw(t, "keep"),
		Shards:    rapid.IntRange(1, 2).Draw(t, "shards"),
		Slow:      rapid.SampledFrom([]pubsub.SlowPolicy{pubsub.SlowClose, pubsub.SlowSkip}).Draw(t, "slow"),
		ReadTakes: rapid.SampledFrom([]time.Duration{0, 20 * time.Millisecond}).Draw(t, "read takes"),
		Steps:     rapid.SliceOfN(rapid.Custom(drawStep), 40, 100).Draw(t, "steps"),
	}
}

// run executes the plan and returns the first difference from the model. It counts in events what happened.
func (p plan) run(t *testing.T, events map[string]int) error {
	t.Helper()
	cfg := config()
	cfg.Window.Events, cfg.Shards, cfg.Slow = p.Window, p.Shards, p.Slow
	log := newLog(p.Keep)
	log.slow = p.ReadTakes
	f := start(t, cfg, log)
	var all []*listener
	away := false
	for i, s := range p.Steps {
		var err error
		switch s.Do {
		case "publish", "burst":
			switch {
			case away:
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
				if !away {
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
		case "away":
			if !away {
				away = true
				log.Away(pubsub.ErrUnavailable)
			}
		case "back":
			if away {
				away = false
				log.Back()
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
	if away {
		log.Back()
	}
	for _, l := range all {
		l.sink.SetRoom(-1)
		l.stream.Ready()
	}
	time.Sleep(time.Minute)
	f.publish(1, "a", "b", "a/1", "a/1/x", "c")
	time.Sleep(time.Minute)
	f.record(all, events)
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
		"shard behind", "item ", "heartbeat ", "reset slow", "reset expired", "close gone", "close slow",
	} {
		assert.NotZero(t, events[required], "%q never happened", required)
	}
	for _, what := range slices.Sorted(maps.Keys(events)) {
		t.Logf("%7d %s", events[what], what)
	}
}
