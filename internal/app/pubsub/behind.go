package pubsub

import (
	"errors"
	"slices"
)

// behind is how a shard goes on from which the window ran away, as it does on a machine with too little processor time,
// or whose log skipped entries. The shard walks the log's history as it walks the window, once for all of its live
// streams; each of them catching up by itself would cost the more, the more there are, just when there is least to spend.
type behind struct {
	asked bool    // a page is on its way
	items []*Item // what is left of the one that came
}

// upcoming answers the next items after the shard's cursor, at most as many as a walk takes; none while it has to wait
// for them.
func (s *shard) upcoming() []*Item {
	if len(s.behind.items) > 0 {
		return s.behind.items[:min(len(s.behind.items), walkBatch)]
	}
	if s.behind.asked {
		return nil
	}
	n, covered := s.next(s.at)
	if !covered {
		s.behind.asked = true
		s.reader.ask(ask{after: s.at})
	}
	return s.items[:n]
}

// walkedOver is told that the first n of the upcoming items are done with.
func (s *shard) walkedOver(n int) {
	if n < len(s.behind.items) {
		s.behind.items = s.behind.items[n:]
	} else {
		s.behind.items = nil
	}
}

// takePage takes the page after the shard's cursor.
func (s *shard) takePage(p page) {
	s.behind.asked = false
	switch {
	case errors.Is(p.err, ErrTrimmed):
		s.miss(s.pub.log.Extent().Oldest - 1)
	case p.err != nil: // the engine is stopping
	default:
		s.behind.items = slices.Clone(p.items) // the reader keeps the page
	}
}

// miss goes on after an offset up to which the log has nothing any more, and tells the live streams.
func (s *shard) miss(after uint64) {
	for _, st := range slices.Backward(s.roll) { // a stream that ends leaves its place to the last, which was met before
		if st.state == stateLive && st.cursor < after {
			st.cursor = max(st.cursor, s.at)
			s.reset(st, ResetExpired, after)
		}
	}
	s.at = after
}
