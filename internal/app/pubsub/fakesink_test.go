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

// said is one thing that a sink was told.
type said struct {
	what  string // "item", "beat", "reset", "close"
	at    event.Position
	event event.Event
	reset pubsub.Reset
	why   pubsub.EndReason
	when  time.Time
}

// fakeSink writes down what it is told and watches that the contract of a sink is kept.
type fakeSink struct {
	inside atomic.Int32 // calls going on

	mu     sync.Mutex
	room   int // how many items it still takes; negative is any number
	fail   bool
	log    []said
	sends  int
	most   int // the most items it was offered at once
	resume int // Sends of no items
	short  int // Sends that were not taken whole
	broken []string
	tell   chan struct{} // nudged by what is news to a reader, where there is one
}

func newSink() *fakeSink { return &fakeSink{room: -1} }

// enter begins a call; what it answers ends it.
func (s *fakeSink) enter(news bool) func() {
	if s.inside.Add(1) > 1 {
		s.mu.Lock()
		s.broken = append(s.broken, "called by two goroutines at a time")
		s.mu.Unlock()
	}
	s.mu.Lock()
	if n := len(s.log); n > 0 && s.log[n-1].what == "close" {
		s.broken = append(s.broken, "called after Close")
	}
	return func() {
		tell := s.tell
		s.mu.Unlock()
		s.inside.Add(-1)
		if tell != nil && news {
			select {
			case tell <- struct{}{}:
			default:
			}
		}
	}
}

func (s *fakeSink) Send(items []*pubsub.Item) (int, error) {
	defer s.enter(true)()
	s.sends++
	s.most = max(s.most, len(items))
	if s.fail {
		return 0, errBroken
	}
	for i, item := range items {
		if s.room == 0 {
			s.short++
			return i, nil
		}
		s.room--
		s.log = append(s.log, said{what: "item", at: item.Position, event: item.Event, when: time.Now()})
	}
	return len(items), nil
}

// Flush counts.
func (s *fakeSink) Flush() error {
	defer s.enter(false)()
	s.resume++
	if s.fail {
		return errBroken
	}
	return nil
}

func (s *fakeSink) Beat(at event.Position) error {
	defer s.enter(false)()
	if s.fail {
		return errBroken
	}
	s.log = append(s.log, said{what: "beat", at: at, when: time.Now()})
	return nil
}

func (s *fakeSink) Reset(r pubsub.Reset) error {
	defer s.enter(true)()
	if s.fail {
		return errBroken
	}
	s.log = append(s.log, said{what: "reset", reset: r, at: r.At, when: time.Now()})
	return nil
}

func (s *fakeSink) Close(why pubsub.EndReason) {
	defer s.enter(true)()
	s.log = append(s.log, said{what: "close", why: why, when: time.Now()})
}

// Hold keeps the next call from going on until the release that it answers is called.
func (s *fakeSink) Hold() (release func()) {
	s.mu.Lock()
	return s.mu.Unlock
}

// AwaitCall returns once a call is going on.
func (s *fakeSink) AwaitCall() {
	for s.inside.Load() == 0 {
		runtime.Gosched()
	}
}

// SetRoom says how many items more the sink takes.
func (s *fakeSink) SetRoom(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room = n
}

func (s *fakeSink) Fail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = true
}

// Log is what the sink was told up to now.
func (s *fakeSink) Log() []said {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Said is what the sink was told, in short: data of items, "reset:why@5", "close:why". Beats are left out.
func (s *fakeSink) Said() []string {
	short := []string{}
	for _, x := range s.Log() {
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

// Only is what the sink was told of one kind.
func (s *fakeSink) Only(what string) []said {
	return slices.DeleteFunc(s.Log(), func(x said) bool { return x.what != what })
}

// Reached is the newest position the client was told, and whether it was told the end.
func (s *fakeSink) Reached() (offset uint64, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.log) - 1; i >= 0 && offset == 0; i-- {
		offset, closed = s.log[i].at.Offset, closed || s.log[i].what == "close"
	}
	return offset, closed
}

// Why is the reason of the end, "" while there was none.
func (s *fakeSink) Why() pubsub.EndReason {
	if closes := s.Only("close"); len(closes) > 0 {
		return closes[0].why
	}
	return ""
}

// Complaint says how the engine broke the contract of sinks.
func (s *fakeSink) Complaint() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.broken) > 0 {
		return errors.New(s.broken[0])
	}
	return nil
}
