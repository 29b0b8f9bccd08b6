// Package clock beats time: a [Ticker] calls back on each whole multiple of its interval by the wall clock.
//
// What it promises:
//
//   - A [Tick] carries its nominal time, which is a whole multiple of the interval since the Unix epoch, in UTC. Each
//     beat is worked out anew from the wall clock, so nothing adds up and the ticks do not drift, however long it runs.
//   - Beats that were slept through are skipped and counted, never made up for in a burst: only the newest is ticked.
//   - A wall clock that jumps is followed within a second, whatever the interval: after a jump forward, or back by more
//     than two intervals, the newest beat by the new time is ticked at once.
//   - A step back by less than an interval, such as a time server makes, is waited out, so that no nominal time comes
//     twice; between one and two intervals either may happen. No step keeps it silent for more than three intervals.
//   - Nothing but the nominal time follows the wall clock: sleeping is measured by the monotonic one.
package clock

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Bounds of an interval. Shorter beats are not a clock but a load; longer ones than a day have no multiples anybody
// would expect.
const (
	MinInterval = 10 * time.Millisecond
	MaxInterval = 24 * time.Hour
)

// Bounds of a sleep between two looks at the wall clock.
const (
	maxSleep = time.Second      // how long a jump can go unnoticed
	minSleep = time.Millisecond // keeps a coarse or slow wall clock, read just before a beat, from making a busy loop
)

// ErrInterval says that an interval is out of bounds.
var ErrInterval = errors.New("takes a whole number of milliseconds from 10ms to 24h")

// CheckInterval refuses, with [ErrInterval], what is not a whole number of milliseconds from [MinInterval] to
// [MaxInterval].
func CheckInterval(d time.Duration) error {
	if d < MinInterval || d > MaxInterval || d%time.Millisecond != 0 {
		return ErrInterval
	}
	return nil
}

// Tick is one beat of the clock.
type Tick struct {
	Time    time.Time     // nominal: a whole multiple of the interval since the Unix epoch, in UTC
	Late    time.Duration // how long after its nominal time it was ticked, by the wall clock
	Skipped uint64        // beats slept through or jumped over just before this one

	// Era tells apart ticks that carry the same nominal time because the wall clock was set back. It is 0 for a time
	// newer than any before, and otherwise the number of times the clock was set back, so that (Time, Era) is unique
	// within one Run. Once the clock is past the newest time it had reached, Era is 0 again: tickers of several nodes
	// then agree on the pair, even when only some of them were set back.
	Era uint64
}

// Ticker beats on whole multiples of an interval. Its counters may be read at any time.
type Ticker struct {
	interval time.Duration
	now      func() time.Time
	ticks    atomic.Uint64
	skipped  atomic.Uint64
}

// NewTicker makes a ticker that reads the wall clock from now, which is [time.Now] in earnest. It fails with
// [ErrInterval]. [Ticker.Run] sets it going.
func NewTicker(interval time.Duration, now func() time.Time) (*Ticker, error) {
	if err := CheckInterval(interval); err != nil {
		return nil, err
	}
	return &Ticker{interval: interval, now: now}, nil
}

// Ticks is how many beats were ticked.
func (t *Ticker) Ticks() uint64 { return t.ticks.Load() }

// Skipped is how many beats were slept through or jumped over.
func (t *Ticker) Skipped() uint64 { return t.skipped.Load() }

// Run calls beat with each tick until the context ends. It waits for beat to return: a call that takes longer than the
// interval costs the beats it overlaps. The first tick is the first multiple to come.
func (t *Ticker) Run(ctx context.Context, beat func(Tick)) {
	passed := startAt(t.index(t.now()))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		wall := t.now()
		if i := t.index(wall); passed.due(i) {
			tick := Tick{Time: t.nominal(i), Skipped: passed.move(i), Era: passed.era(i)}
			tick.Late = wall.Sub(tick.Time)
			t.ticks.Add(1)
			t.skipped.Add(tick.Skipped)
			beat(tick)
			continue // the beat took its time: look again
		}
		timer.Reset(t.sleep(wall))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
}

// sleep is how long to wait before the wall clock is looked at again.
func (t *Ticker) sleep(wall time.Time) time.Duration {
	untilNext := t.nominal(t.index(wall) + 1).Sub(wall)
	return min(max(untilNext, minSleep), maxSleep)
}

// index numbers the newest beat at or before a time. It counts milliseconds, which cannot overflow as nanoseconds do in
// the year 2262, and reads the wall clock even where the time has a monotonic reading too.
func (t *Ticker) index(wall time.Time) int64 {
	ms, every := wall.UnixMilli(), t.interval.Milliseconds()
	i := ms / every
	if ms%every < 0 {
		i-- // before 1970: a machine without a battery may start there
	}
	return i
}

// nominal is the time of a beat.
func (t *Ticker) nominal(i int64) time.Time {
	return time.UnixMilli(i * t.interval.Milliseconds()).UTC()
}
