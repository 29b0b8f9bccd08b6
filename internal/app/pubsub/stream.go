package pubsub

import (
	"sync/atomic"

	"carillon/internal/domain/event"
)

// Stream is a subscription on its way to one client: a cursor into the log and a small state machine. [Engine.Open]
// makes it, [Stream.Attach] starts it; from then on its shard owns it.
type Stream struct {
	sub   Subscription
	at    event.Position
	reset *Reset
	shard *shard
	sink  Sink

	readied atomic.Bool // a Ready is waiting in the shard's inbox
	ended   atomic.Bool // an End is waiting there, or was handled

	// What follows belongs to the shard's goroutine.

	state state
	// cursor is the offset up to which the stream has been given all that matches. A live stream's stands at the last
	// item it was given; that it has seen everything up to its shard's own cursor is understood.
	cursor uint64
	seats  []seat
	roll   int32 // its place in the shard's roll of streams

	firstHit, lastHit int32 // its hits in the batch being walked, a chain

	// wrote is the tick of the shard's wheel in which the client was last sent anything.
	wrote int64
	told  uint64    // the newest offset whose position the client knows
	held  bool      // it was parked while the window still had what it waited for: falling out of the window is its client's doing
	due   *Stream   // the next stream in its slot of the wheel
	dueAt **Stream  // what points at it there; nil outside the wheel
	doom  EndReason // it was ended before it was opened, for this reason
}

type state uint8

const (
	stateNew     state = iota
	stateLagging       // walking from its cursor towards the head
	stateReading       // waiting for a page of the log's history
	stateLive          // at the head
	stateParked        // its sink is full
	stateClosed
)

// String is the state as operators read it.
func (s state) String() string {
	switch s {
	case stateLive:
		return "live"
	case stateLagging, stateReading:
		return "lagging"
	case stateParked:
		return "parked"
	case stateNew, stateClosed:
	}
	return "closed"
}

// Opening is where a stream starts, which its client is told before the first event.
type Opening struct {
	At      event.Position // the stream starts right after this position
	Reset   *Reset         // set when the stream cannot start where the client asked
	Resumed bool           // the stream starts at the position that the client named, which the client need not be told
}

// Opening returns where the stream starts.
func (s *Stream) Opening() Opening {
	return Opening{At: s.at, Reset: s.reset, Resumed: s.sub.Start.how == startAfter && s.reset == nil}
}

// Attach hands the stream to its shard, which calls the sink from now on. It must be called once, after the client was
// told what [Stream.Opening] returns.
func (s *Stream) Attach(sink Sink) {
	s.sink = sink
	s.shard.pub.streams.Add(1)
	s.shard.pub.seen.Opened()
	if !s.shard.post(message{stream: s, what: msgOpen}) {
		s.ended.Store(true)
		sink.Close(EndDrain)
		s.shard.pub.ended(EndDrain)
	}
}

// Ready says that the sink can take more. It may be called at any time, from any goroutine, and does not wait.
func (s *Stream) Ready() {
	if !s.readied.Swap(true) {
		s.shard.post(message{stream: s, what: msgReady})
	}
}

// End ends the stream; its sink is closed soon after, with this reason or an earlier one. It may be called at any
// time, from any goroutine, and does not wait.
func (s *Stream) End(why EndReason) {
	if !s.ended.Swap(true) {
		s.shard.post(message{stream: s, what: msgEnd, why: why})
	}
}

// wants reports whether the stream asked for the event and may see it.
func (s *Stream) wants(e event.Event) bool {
	for _, t := range e.Topics {
		if !s.sub.Grant.Allows(t) {
			continue
		}
		for _, p := range s.sub.Patterns {
			if p.Matches(t) {
				return true
			}
		}
	}
	return false
}
