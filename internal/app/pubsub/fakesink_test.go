package pubsub_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

var errBroken = errors.New("broken pipe")

// call is one call of a sink.
type call struct {
	what  string // "item", "heartbeat", "reset", "close"
	at    event.Position
	event event.Event
	reset pubsub.Reset
	why   pubsub.EndReason
	when  time.Time
}

// fakeSink records its calls and checks that the engine keeps the contract of a sink.
type fakeSink struct {
	running atomic.Int32 // calls that have not returned yet

	mu         sync.Mutex
	room       int // how many items it still takes; negative means any number
	fail       bool
	calls      []call
	sends      int
	largest    int // the most items it was offered at once
	flushes    int
	violations []string      // of the contract
	progress   chan struct{} // signalled by items, resets and the end, if set
}

func newSink() *fakeSink { return &fakeSink{room: -1} }

// enter begins a call and returns the function that ends it.
func (s *fakeSink) enter(progress bool) func() {
	if s.running.Add(1) > 1 {
		s.mu.Lock()
		s.violations = append(s.violations, "called by two goroutines at a time")
		s.mu.Unlock()
	}
	s.mu.Lock()
	if n := len(s.calls); n > 0 && s.calls[n-1].what == "close" {
		s.violations = append(s.violations, "called after Close")
	}
	return func() {
		signal := s.progress
		s.mu.Unlock()
		s.running.Add(-1)
		if signal != nil && progress {
			select {
			case signal <- struct{}{}:
			default:
			}
		}
	}
}

func (s *fakeSink) Send(items []*pubsub.Item) (int, error) {
	defer s.enter(true)()
	s.sends++
	s.largest = max(s.largest, len(items))
	if s.fail {
		return 0, errBroken
	}
	for i, item := range items {
		if s.room == 0 {
			return i, nil
		}
		s.room--
		s.calls = append(s.calls, call{what: "item", at: item.Position, event: item.Event, when: time.Now()})
	}
	return len(items), nil
}

func (s *fakeSink) Flush() error {
	defer s.enter(false)()
	s.flushes++
	if s.fail {
		return errBroken
	}
	return nil
}

func (s *fakeSink) Heartbeat(at event.Position) error {
	defer s.enter(false)()
	if s.fail {
		return errBroken
	}
	s.calls = append(s.calls, call{what: "heartbeat", at: at, when: time.Now()})
	return nil
}

func (s *fakeSink) Reset(r pubsub.Reset) error {
	defer s.enter(true)()
	if s.fail {
		return errBroken
	}
	s.calls = append(s.calls, call{what: "reset", reset: r, at: r.At, when: time.Now()})
	return nil
}

func (s *fakeSink) Close(why pubsub.EndReason) {
	defer s.enter(true)()
	s.calls = append(s.calls, call{what: "close", why: why, when: time.Now()})
}

// Hold blocks the next call until the returned function is called.
func (s *fakeSink) Hold() (release func()) {
	s.mu.Lock()
	return s.mu.Unlock
}

// AwaitCall returns once a call has begun.
func (s *fakeSink) AwaitCall() {
	for s.running.Load() == 0 {
		runtime.Gosched()
	}
}

// SetRoom sets how many more items the sink takes.
func (s *fakeSink) SetRoom(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room = n
}

// Fail makes the following calls fail.
func (s *fakeSink) Fail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = true
}

// Calls returns the calls up to now.
func (s *fakeSink) Calls() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Text returns the calls as text: the data of items, "reset:why@5", "close:why". Heartbeats are left out.
func (s *fakeSink) Text() []string {
	short := []string{}
	for _, x := range s.Calls() {
		switch x.what {
		case "item":
			short = append(short, x.event.Data.String())
		case "reset":
			short = append(short, fmt.Sprintf("reset:%s@%d", x.reset.Reason, x.at.Offset))
		case "close":
			short = append(short, "close:"+string(x.why))
		}
	}
	return short
}

// Only returns the calls of one kind.
func (s *fakeSink) Only(what string) []call {
	return slices.DeleteFunc(s.Calls(), func(x call) bool { return x.what != what })
}

// Reached returns the newest position that was sent to the client, and whether the sink was closed.
func (s *fakeSink) Reached() (offset uint64, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.calls) - 1; i >= 0 && offset == 0; i-- {
		offset, closed = s.calls[i].at.Offset, closed || s.calls[i].what == "close"
	}
	return offset, closed
}

// Why returns the reason of the end, "" before the end.
func (s *fakeSink) Why() pubsub.EndReason {
	if closes := s.Only("close"); len(closes) > 0 {
		return closes[0].why
	}
	return ""
}

// Violation returns an error if the engine broke the contract of a sink.
func (s *fakeSink) Violation() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.violations) > 0 {
		return errors.New(s.violations[0])
	}
	return nil
}
