package clock

// passed records the ticks of a run so far, by their numbers.
type passed struct {
	last   int64  // the newest tick by the wall clock at the last tick
	newest int64  // the newest tick ever
	backs  uint64 // how often the wall clock was set back by more than the step that the ticker waits out
}

func startAt(i int64) passed { return passed{last: i, newest: i} }

// due reports whether tick i, the newest by the wall clock now, is to come. It is not if it was the last one, nor if
// it is the one before it: then the clock was set back a little, and waiting for it to catch up repeats nothing.
func (p *passed) due(i int64) bool { return i > p.last || i < p.last-1 }

// move advances to tick i, which is due, and returns how many ticks were skipped.
func (p *passed) move(i int64) (skipped uint64) {
	if i > p.last {
		skipped = uint64(i - p.last - 1)
	} else {
		p.backs++
	}
	p.last = i
	return skipped
}

// era returns the [Tick.Era] of tick i. If i is not newer than all ticks so far, it may have come before.
func (p *passed) era(i int64) uint64 {
	if i > p.newest {
		p.newest = i
		return 0
	}
	return p.backs
}
