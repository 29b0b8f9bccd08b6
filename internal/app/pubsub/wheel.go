package pubsub

import (
	"math/rand/v2"
	"time"
)

const (
	// heartbeatSteps is the least number of steps in a heartbeat interval: a step is under 2 % of it, well inside the
	// jitter.
	heartbeatSteps = 64
	// maxStep keeps steps short when heartbeats are rare, because a stream whose right to listen expires ends up to one
	// step early.
	maxStep = 250 * time.Millisecond
)

// wheel is a timer wheel for a shard's streams: it has one slot for each step of time. A stream needs two pointers in it
// and no timer of its own.
type wheel struct {
	step     time.Duration
	interval int64 // steps in a heartbeat interval
	jitter   int64 // how many steps a heartbeat may be early or late
	start    time.Time
	tick     int64 // steps since start that have passed
	slots    []*Stream
}

func newWheel(heartbeat time.Duration, now time.Time) wheel {
	step := min(heartbeat/heartbeatSteps, maxStep)
	interval := int64(heartbeat / step)
	// The jitter spreads the heartbeats of streams that were opened together. It is 10 % of the interval, less one step,
	// by which a write may be younger than the tick that is recorded for it.
	jitter := interval/10 - 1
	return wheel{step: step, interval: interval, jitter: jitter, start: now, slots: make([]*Stream, interval+jitter+2)}
}

// schedule makes the stream due after some steps: at least one, at most the longest delay of a heartbeat. The stream
// must not be scheduled yet.
func (w *wheel) schedule(s *Stream, steps int64) {
	size := int64(len(w.slots))
	slot := &w.slots[(w.tick+min(max(steps, 1), size-1))%size]
	s.timerNext, s.timerLink = *slot, slot
	if s.timerNext != nil {
		s.timerNext.timerLink = &s.timerNext
	}
	*slot = s
}

// remove unschedules a stream. It does nothing for a stream that is not scheduled.
func (w *wheel) remove(s *Stream) {
	if s.timerLink == nil {
		return
	}
	*s.timerLink = s.timerNext
	if s.timerNext != nil {
		s.timerNext.timerLink = s.timerLink
	}
	s.timerNext, s.timerLink = nil, nil
}

// advance moves the wheel to now and calls onTimer for each stream that became due. onTimer may schedule the stream
// again.
func (w *wheel) advance(now time.Time, onTimer func(*Stream)) {
	for due := int64(now.Sub(w.start) / w.step); w.tick < due; {
		w.tick++
		for slot := &w.slots[w.tick%int64(len(w.slots))]; *slot != nil; {
			s := *slot
			w.remove(s)
			onTimer(s)
		}
	}
}

// next returns when the wheel is to be advanced again.
func (w *wheel) next() time.Time { return w.start.Add(time.Duration(w.tick+1) * w.step) }

// heartbeatDelay returns how many steps after its last write a stream is sent a heartbeat. It is random within the
// jitter.
func (w *wheel) heartbeatDelay() int64 { return w.interval - w.jitter + rand.Int64N(2*w.jitter+1) }
