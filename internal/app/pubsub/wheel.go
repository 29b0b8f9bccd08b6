package pubsub

import (
	"math/rand/v2"
	"time"
)

const (
	// beatSteps is into how many steps, at least, a heartbeat interval is divided: a step is under 2 % of it, well inside
	// the jitter.
	beatSteps = 64
	// maxStep keeps steps short where beats are rare: it is how exactly a stream's right to listen is ended.
	maxStep = 250 * time.Millisecond
)

// wheel tells when each of a shard's streams is due for a look: one slot for each step of time, two links in each
// stream, no timers.
type wheel struct {
	step   time.Duration
	beat   int64 // steps in a heartbeat interval
	jitter int64 // how far, in steps, a beat may come early or late
	start  time.Time
	tick   int64 // steps since start that were turned
	slots  []*Stream
}

func newWheel(heartbeat time.Duration, now time.Time) wheel {
	step := min(heartbeat/beatSteps, maxStep)
	beat := int64(heartbeat / step)
	// So that streams opened together do not beat together for ever: 10 % of the interval, less the step that a write may
	// be younger than the tick it is noted with.
	jitter := beat/10 - 1
	return wheel{step: step, beat: beat, jitter: jitter, start: now, slots: make([]*Stream, beat+jitter+2)}
}

// put asks for a look at the stream after some steps, at least one and at most the longest silence. The stream must not
// be waiting for one.
func (w *wheel) put(s *Stream, steps int64) {
	size := int64(len(w.slots))
	slot := &w.slots[(w.tick+min(max(steps, 1), size-1))%size]
	s.due, s.dueAt = *slot, slot
	if s.due != nil {
		s.due.dueAt = &s.due
	}
	*slot = s
}

// remove forgets a stream that may be waiting for a look.
func (w *wheel) remove(s *Stream) {
	if s.dueAt == nil {
		return
	}
	*s.dueAt = s.due
	if s.due != nil {
		s.due.dueAt = s.dueAt
	}
	s.due, s.dueAt = nil, nil
}

// turn calls look for each stream that is due by now. look may put the stream back.
func (w *wheel) turn(now time.Time, look func(*Stream)) {
	for due := int64(now.Sub(w.start) / w.step); w.tick < due; {
		w.tick++
		for slot := &w.slots[w.tick%int64(len(w.slots))]; *slot != nil; {
			s := *slot
			w.remove(s)
			look(s)
		}
	}
}

// next is when the wheel wants to be turned again.
func (w *wheel) next() time.Time { return w.start.Add(time.Duration(w.tick+1) * w.step) }

// silence draws how many steps of silence a stream is given before a beat.
func (w *wheel) silence() int64 { return w.beat - w.jitter + rand.Int64N(2*w.jitter+1) }
