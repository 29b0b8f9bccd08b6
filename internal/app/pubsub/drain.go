package pubsub

import "time"

// drain ends a shard's streams evenly over a window of time, so that their clients do not all come back elsewhere in
// the same moment.
type drain struct {
	active bool
	start  time.Time
	pace   time.Duration // between two ends
	done   int
}

func (d *drain) begin(now time.Time, window time.Duration, streams int) {
	if d.active {
		return
	}
	*d = drain{active: true, start: now, pace: window / time.Duration(max(streams, 1))}
}

// next is when the next stream is to be ended.
func (d *drain) next() (time.Time, bool) {
	return d.start.Add(time.Duration(d.done) * d.pace), d.active
}

// step ends the streams whose time has come.
func (d *drain) step(now time.Time, s *shard) {
	for len(s.roll) > 0 {
		at, draining := d.next()
		if !draining || now.Before(at) {
			return
		}
		d.done++
		s.end(s.roll[len(s.roll)-1], EndDrain)
	}
}
