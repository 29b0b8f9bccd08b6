package pubsub

import (
	"context"
	"time"
)

// Drain refuses new streams and ends the attached ones, spread evenly over a period, each with [EndDrain]. It returns
// when all have ended or the context has. Of several calls, the first determines the period.
func (e *Engine) Drain(ctx context.Context, period time.Duration) error {
	end := time.Now().Add(period)
	if e.drainEnd.CompareAndSwap(nil, &end) {
		for _, s := range e.shards {
			s.post(message{kind: msgDrain, drain: period})
		}
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
func (e *Engine) Draining() bool { return e.drainEnd.Load() != nil }

// refusal returns why the engine refuses new streams, which is a [*DrainingError], or nil.
func (e *Engine) refusal() error {
	end := e.drainEnd.Load()
	if end == nil {
		return nil
	}
	return &DrainingError{Remaining: max(time.Until(*end), 0)}
}

// Accepting returns nil if events of publishers are accepted, else a [*DrainingError]. While the engine drains, a log
// that ends with the process would lose what it acknowledges; a [Durable] log keeps it. [Engine.Publish] does not check
// it, so that the streams that are still attached receive the ticks of the server's own clock until they end.
func (e *Engine) Accepting() error {
	if durable, ok := e.log.(Durable); ok && durable.Durable() {
		return nil
	}
	return e.refusal()
}

// DrainingError is the [ErrDraining] of an engine that drains.
type DrainingError struct {
	Remaining time.Duration // until the last stream is ended
}

func (*DrainingError) Error() string { return ErrDraining.Error() }
func (*DrainingError) Unwrap() error { return ErrDraining }

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
