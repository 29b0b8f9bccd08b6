package pubsub

import (
	"time"

	"carillon/internal/domain/event"
)

// onTimer is called by the wheel when a stream is due. It ends the stream, sends a heartbeat or does nothing yet, and
// schedules the next call.
func (s *shard) onTimer(st *Stream) {
	if !st.sub.Expires.IsZero() && time.Until(st.sub.Expires) <= s.wheel.step {
		s.end(st, EndExpired)
		return
	}
	switch quiet := s.wheel.tick - st.lastWrite; {
	case st.state == stateParked:
		// A stream parked in the log's history is left to its transport, which ends connections that take nothing.
		if s.engine.cfg.Slow == SlowClose && st.parkedInWindow && !s.engine.window.covers(st.cursor) {
			s.end(st, EndSlow)
			return
		}
	case quiet >= s.wheel.interval-s.wheel.jitter: // also while the stream waits for an unavailable log
		st.lastWrite = s.wheel.tick
		if err := st.sink.Heartbeat(s.heartbeatPosition(st)); err != nil {
			s.end(st, EndFailed)
			return
		}
	}
	s.wheel.schedule(st, s.stepsToNextCall(st))
}

// heartbeatPosition returns the position that a heartbeat to a live stream contains, so that the client can resume
// there. It returns zero until the position the client knows is in the older half of what the log keeps: sending it
// more often would be of no use, and some clients mistake it for an event.
func (s *shard) heartbeatPosition(st *Stream) (none event.Position) {
	kept := s.extent()
	if st.state != stateLive || s.cursor <= st.knownOffset || 2*(st.knownOffset+1) >= kept.Oldest+kept.Newest+1 {
		return none
	}
	st.knownOffset = s.cursor
	return s.position(s.cursor)
}

// stepsToNextCall returns after how many steps of the wheel onTimer must be called again.
func (s *shard) stepsToNextCall(st *Stream) int64 {
	steps := s.wheel.heartbeatDelay() - (s.wheel.tick - st.lastWrite)
	if st.state == stateParked {
		steps = s.wheel.interval / 8 // whether a stream is too slow should not take an interval to notice
	}
	if !st.sub.Expires.IsZero() {
		steps = min(steps, int64((time.Until(st.sub.Expires)-1)/s.wheel.step)) // the last call before it expires
	}
	return steps
}
