package clock

// passed is what a run remembers of the beats behind it, by their numbers.
type passed struct {
	last   int64  // the newest beat by the wall clock as it was last followed
	newest int64  // the newest beat ever
	backs  uint64 // how often the wall clock was set back by more than a step to wait out
}

func startAt(i int64) passed { return passed{last: i, newest: i} }

// due reports whether beat i, the newest by the wall clock now, is to be ticked. It is not when it was the last one, nor
// when it is the one before it: the clock was set back a little, and waiting for it to catch up repeats nothing.
func (p *passed) due(i int64) bool { return i > p.last || i < p.last-1 }

// move goes to beat i, which is due, and answers how many beats were left out on the way.
func (p *passed) move(i int64) (skipped uint64) {
	if i > p.last {
		skipped = uint64(i - p.last - 1)
	} else {
		p.backs++
	}
	p.last = i
	return skipped
}

// era is the [Tick.Era] of beat i, which may have been ticked before when it is not newer than all.
func (p *passed) era(i int64) uint64 {
	if i > p.newest {
		p.newest = i
		return 0
	}
	return p.backs
}
