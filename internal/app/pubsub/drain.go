package pubsub

import (
	"context"
	"time"
)

// Drain refuses new streams and ends the attached ones, spread evenly over a period, each with [EndDrain]. It returns
// when all have ended or the context has.
func (e *Engine) Drain(ctx context.Context, period time.Duration) error {
	e.draining.Store(true)
	for _, s := range e.shards {
		s.post(message{kind: msgDrain, drain: period})
	}
	for e.streams.Load() > 0 {
		select {
		case <-e.drained:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	e.signalDrained() // another call may be waiting
	return nil
}

// Draining reports whether the engine refuses new streams because it is stopping.
func (e *Engine) Draining() bool { return e.draining.Load() }

// streamEnded counts an attached stream that ended.
func (e *Engine) streamEnded(why EndReason) {
	e.observer.Ended(why)
	if e.streams.Add(-1) == 0 {
		e.signalDrained()
	}
}

func (e *Engine) signalDrained() {
	select {
	case e.drained <- struct{}{}:
	default:
	}
}

// drain ends the streams of a shard spread evenly over a period, so that their clients do not all reconnect to other
// nodes at the same moment.
type drain struct {
	active   bool
	start    time.Time
	interval time.Duration // between two ends
	ended    int
}

func (d *drain) begin(now time.Time, period time.Duration, streams int) {
	if d.active {
		return
	}
	*d = drain{active: true, start: now, interval: period / time.Duration(max(streams, 1))}
}

// next returns when the next stream is to be ended, and whether the shard is draining.
func (d *drain) next() (time.Time, bool) {
	return d.start.Add(time.Duration(d.ended) * d.interval), d.active
}

// endDue ends the streams that are due by now.
func (d *drain) endDue(now time.Time, s *shard) {
	for len(s.streams) > 0 {
		due, draining := d.next()
		if !draining || now.Before(due) {
			return
		}
		d.ended++
		s.end(s.streams[len(s.streams)-1], EndDrain)
	}
}
