// Package clock implements a [Ticker] that ticks at each whole multiple of its interval by the wall clock.
//
// Guarantees:
//
//   - A [Tick] carries its nominal time, which is a whole multiple of the interval since the Unix epoch, in UTC. Each
//     is computed from the wall clock, so errors do not accumulate and the ticks do not drift.
//   - Ticks that were missed are skipped and counted, and do not follow in a burst: only the newest one comes.
//   - A wall clock that jumps is followed within a second, whatever the interval: after a jump forward, or back by more
//     than two intervals, the newest tick by the new time comes at once.
//   - After a step back by less than an interval, such as NTP makes, the ticker waits until the wall clock has caught up,
//     so that no nominal time comes twice; between one and two intervals either may happen. After any step the next tick
//     comes within three intervals.
//   - Only the nominal time depends on the wall clock: waiting uses the monotonic clock.
package clock

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Bounds of an interval. A shorter one would only be a load; the multiples of one longer than a day would
// be at times that nobody expects.
const (
	MinInterval = 10 * time.Millisecond
	MaxInterval = 24 * time.Hour
)

// Bounds of the wait between two readings of the wall clock.
const (
	maxSleep = time.Second      // the longest time that a jump goes unnoticed
	minSleep = time.Millisecond // prevents a busy loop when a coarse or slow wall clock is read just before a tick
)

// ErrInterval is the error of an interval that is out of bounds.
var ErrInterval = errors.New("must be a whole number of milliseconds between 10ms and 24h")

// CheckInterval returns [ErrInterval] unless d is a whole number of milliseconds between [MinInterval] and
// [MaxInterval].
func CheckInterval(d time.Duration) error {
	if d < MinInterval || d > MaxInterval || d%time.Millisecond != 0 {
		return ErrInterval
	}
	return nil
}

// Tick is one tick of the clock.
type Tick struct {
	Time    time.Time     // nominal: a whole multiple of the interval since the Unix epoch, in UTC
	Late    time.Duration // how long after its nominal time it came, by the wall clock
	Skipped uint64        // ticks missed or jumped over just before this one

	// Era tells apart ticks that carry the same nominal time because the wall clock was set back. It is 0 for a time
	// newer than any before, and otherwise the number of times the clock was set back, so that (Time, Era) is unique
	// within one Run. Once the clock is past the newest time it had reached, Era is 0 again: tickers of several nodes
	// then agree on the pair, even when only some of them were set back.
	Era uint64
}

// Ticker ticks at whole multiples of an interval. Its counters may be read at any time.
type Ticker struct {
	interval time.Duration
	now      func() time.Time
	ticks    atomic.Uint64
	skipped  atomic.Uint64
}

// NewTicker returns a ticker that reads the wall clock from now, which is [time.Now] outside tests. Its error is
// [ErrInterval]. [Ticker.Run] starts it.
func NewTicker(interval time.Duration, now func() time.Time) (*Ticker, error) {
	if err := CheckInterval(interval); err != nil {
		return nil, err
	}
	return &Ticker{interval: interval, now: now}, nil
}

// Ticks returns the number of ticks so far.
func (t *Ticker) Ticks() uint64 { return t.ticks.Load() }

// Skipped returns the number of ticks that were missed or jumped over.
func (t *Ticker) Skipped() uint64 { return t.skipped.Load() }

// Run calls onTick with each tick until the context ends. It waits for onTick to return: a call that takes longer than
// the interval causes the ticks it overlaps to be skipped. The first tick is the next multiple.
func (t *Ticker) Run(ctx context.Context, onTick func(Tick)) {
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
			onTick(tick)
			continue // onTick took time: read the wall clock again
		}
		timer.Reset(t.sleep(wall))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
}

// sleep returns how long to wait before the wall clock is read again.
func (t *Ticker) sleep(wall time.Time) time.Duration {
	untilNext := t.nominal(t.index(wall) + 1).Sub(wall)
	return min(max(untilNext, minSleep), maxSleep)
}

// index returns the number of the newest tick at or before a time. It counts milliseconds, which do not overflow as
// nanoseconds do in the year 2262, and uses the wall clock reading even where the time has a monotonic reading too.
func (t *Ticker) index(wall time.Time) int64 {
	ms, every := wall.UnixMilli(), t.interval.Milliseconds()
	i := ms / every
	if ms%every < 0 {
		i-- // before 1970: a machine without a clock battery may start there
	}
	return i
}

// nominal returns the nominal time of a tick.
func (t *Ticker) nominal(i int64) time.Time {
	return time.UnixMilli(i * t.interval.Milliseconds()).UTC()
}
