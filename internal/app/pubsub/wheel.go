package pubsub

import (
	"math/rand/v2"
	"time"
)

const (
	// beatSteps is how finely a heartbeat interval is divided: a step is under 2 % of it, well inside the jitter.
	beatSteps = 64
	// beatJitter is how far, in steps, a beat may come early or late, so that streams opened together do not beat
	// together for ever: 10 % of the interval, less the step that a write may be younger than the tick it is noted with.
	beatJitter = beatSteps/10 - 1
	// wheelSlots is more than the longest wait in steps.
	wheelSlots = 128
)

// wheel tells when each of a shard's streams is due for a look: one slot for each step of time, one link in each
// stream, no timers.
type wheel struct {
	step  time.Duration
	start time.Time
	tick  int64 // steps since start that were turned
	slots [wheelSlots]*Stream
}

func newWheel(heartbeat time.Duration, now time.Time) wheel {
	return wheel{step: heartbeat / beatSteps, start: now}
}

// put asks for a look at the stream after some steps, at least one.
func (w *wheel) put(s *Stream, steps int64) {
	slot := &w.slots[(w.tick+min(max(steps, 1), wheelSlots-1))%wheelSlots]
	s.afterBeat, *slot = *slot, s
}

// turn calls look for each stream that is due by now. look may put the stream back.
func (w *wheel) turn(now time.Time, look func(*Stream)) {
	for due := int64(now.Sub(w.start) / w.step); w.tick < due; {
		w.tick++
		slot := &w.slots[w.tick%wheelSlots]
		s := *slot
		*slot = nil
		for s != nil {
			next := s.afterBeat
			s.afterBeat = nil
			look(s)
			s = next
		}
	}
}

// next is when the wheel wants to be turned again.
func (w *wheel) next() time.Time { return w.start.Add(time.Duration(w.tick+1) * w.step) }

// silence draws how many steps of silence a stream is given before a beat.
func silence() int64 { return beatSteps - beatJitter + rand.Int64N(2*beatJitter+1) }
