package pubsub

import (
	"slices"
	"sync/atomic"

	"carillon/internal/domain/event"
)

// Stream is a subscription being delivered to one client: a cursor into the log and a small state machine.
// [Engine.Open] returns it, [Stream.Attach] starts it; from then on its shard owns it.
type Stream struct {
	sub   Subscription
	start event.Position // the stream starts right after it
	reset *Reset         // set when that is not where the client asked to start
	shard *shard
	sink  Sink

	readyPosted atomic.Bool // a Ready is waiting in the shard's inbox
	endPosted   atomic.Bool // an End is waiting there, or the stream has ended

	notifyPosted atomic.Bool // a Notify is waiting there

	// What follows belongs to who holds the shard's owner lock.

	state state
	// cursor is the offset up to which the stream has been given all that matches. A live stream's stands at the last
	// item it was given: a live stream has been given everything up to its shard's cursor.
	cursor      uint64
	hits        hitList      // in the shard's batch; next to the cursor, because both are used for each hit
	knownOffset uint64       // the newest offset whose position the client knows
	lastWrite   int64        // the tick of the shard's wheel in which the client was last sent anything
	memberships []membership // of its patterns, in the shard's index
	slot        int32        // its index among the shard's streams

	// parkedInWindow means parked while still inside the window: if it falls out, the slow policy applies.
	parkedInWindow bool
	latest         *latestStart // the newest events that the stream begins with; nil if there are none left
	pendingEnd     EndReason    // the reason of an End that was handled before the stream was opened

	timerNext *Stream  // the next stream in its slot of the wheel
	timerLink **Stream // the pointer that points at this stream there; nil outside the wheel
}

type state uint8

const (
	stateNew     state = iota
	stateLagging       // catches up with its shard's cursor
	stateReading       // waits for a page of the log's history
	stateLive          // has been given everything up to its shard's cursor
	stateParked        // its sink is full
	stateClosed
)

// String returns the state as operators see it.
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

// Opening is where a stream starts. It is sent to the client before the first event.
type Opening struct {
	At      event.Position // the stream starts right after this position
	Reset   *Reset         // set when the stream cannot start where the client asked
	Resumed bool           // the stream starts at the position that the client sent, so the client knows it already
}

// Opening returns where the stream starts.
func (s *Stream) Opening() Opening {
	return Opening{At: s.start, Reset: s.reset, Resumed: s.sub.Start.kind == startAfter && s.reset == nil}
}

// Attach hands the stream to its shard, which calls the sink from then on. It must be called once, after the
// opening ([Stream.Opening]) was written or given to the sink.
func (s *Stream) Attach(sink Sink) {
	s.sink = sink
	s.shard.engine.streams.Add(1)
	s.shard.engine.observer.Opened()
	if !s.shard.post(message{stream: s, kind: msgOpen}) {
		s.endPosted.Store(true)
		sink.Close(EndDrain)
		s.shard.engine.streamEnded(EndDrain)
	}
}

// Ready reports to the shard that the sink can take more. It may be called at any time, from any goroutine, and does
// not block.
func (s *Stream) Ready() {
	if !s.readyPosted.Swap(true) {
		s.shard.post(message{stream: s, kind: msgReady})
	}
}

// End ends the stream. Its sink is closed soon after, with this reason or an earlier one. End may be called at any
// time, from any goroutine, and does not block.
func (s *Stream) End(why EndReason) {
	if !s.endPosted.Swap(true) {
		s.shard.post(message{stream: s, kind: msgEnd, why: why})
	}
}

// wants reports whether the stream subscribed to the event and may see it.
func (s *Stream) wants(e event.Event) bool {
	return slices.ContainsFunc(e.Topics, s.Sees)
}

// Sees reports whether the stream subscribed to the topic and may see it.
func (s *Stream) Sees(t event.Topic) bool {
	if !s.sub.Grant.Allows(t) {
		return false
	}
	for _, p := range s.sub.Patterns {
		if p.Matches(t) {
			return true
		}
	}
	return false
}
