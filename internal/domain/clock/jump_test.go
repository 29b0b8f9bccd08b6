package clock_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"carillon/internal/domain/clock"
)

// step sets the wall clock at a real time after the start.
type step struct{ after, by time.Duration }

// seen is a tick and when it came, in real time.
type seen struct {
	clock.Tick
	at time.Duration
}

// runStepped ticks for d of real time while the wall clock is set.
func runStepped(t *testing.T, interval, d time.Duration, steps ...step) (got []seen, ticker *clock.Ticker) {
	t.Helper()
	began, w := time.Now(), &wall{}
	now := func() time.Time {
		w.offset = 0
		for _, s := range steps {
			if time.Since(began) >= s.after {
				w.offset += s.by
			}
		}
		return w.now()
	}
	ticker = run(t, interval, d, now, func(tick clock.Tick) { got = append(got, seen{tick, time.Since(began)}) })
	return got, ticker
}

func TestFollowsAWallClockThatJumps(t *testing.T) {
	const s, ms, h = time.Second, time.Millisecond, time.Hour
	for _, c := range []struct {
		name     string
		interval time.Duration
		lasts    time.Duration
		steps    []step
		want     []seen
	}{
		{
			name: "forward", interval: s, lasts: 4400 * ms,
			steps: []step{{2300 * ms, h}},
			want: []seen{
				{clock.Tick{Time: at("00:00:01")}, s},
				{clock.Tick{Time: at("00:00:02")}, 2 * s},
				{clock.Tick{Time: at("01:00:03"), Skipped: 3600}, 3 * s},
				{clock.Tick{Time: at("01:00:04")}, 4 * s},
			},
		},
		{
			name: "back, and past the time it was set back from", interval: s, lasts: 8400 * ms,
			steps: []step{{4300 * ms, -3 * s}},
			want: []seen{
				{clock.Tick{Time: at("00:00:01")}, s},
				{clock.Tick{Time: at("00:00:02")}, 2 * s},
				{clock.Tick{Time: at("00:00:03")}, 3 * s},
				{clock.Tick{Time: at("00:00:04")}, 4 * s},
				{clock.Tick{Time: at("00:00:02"), Era: 1}, 5 * s},
				{clock.Tick{Time: at("00:00:03"), Era: 1}, 6 * s},
				{clock.Tick{Time: at("00:00:04"), Era: 1}, 7 * s},
				{clock.Tick{Time: at("00:00:05")}, 8 * s},
			},
		},
		{
			name: "back twice over the same times", interval: s, lasts: 6400 * ms,
			steps: []step{{3300 * ms, -3 * s}, {5300 * ms, -3 * s}},
			want: []seen{
				{clock.Tick{Time: at("00:00:01")}, s},
				{clock.Tick{Time: at("00:00:02")}, 2 * s},
				{clock.Tick{Time: at("00:00:03")}, 3 * s},
				{clock.Tick{Time: at("00:00:01"), Era: 1}, 4 * s},
				{clock.Tick{Time: at("00:00:02"), Era: 1}, 5 * s},
				{clock.Tick{Time: at("00:00:00"), Era: 2}, 6 * s},
			},
		},
		{
			name: "a small step back repeats nothing", interval: s, lasts: 5 * s,
			steps: []step{{2100 * ms, -400 * ms}},
			want: []seen{
				{clock.Tick{Time: at("00:00:01")}, s},
				{clock.Tick{Time: at("00:00:02")}, 2 * s},
				{clock.Tick{Time: at("00:00:03")}, 3400 * ms},
				{clock.Tick{Time: at("00:00:04")}, 4400 * ms},
			},
		},
		{
			name: "a repeated leap second", interval: s, lasts: 4900 * ms,
			steps: []step{{2 * s, -s}},
			want: []seen{
				{clock.Tick{Time: at("00:00:01")}, s},
				{clock.Tick{Time: at("00:00:02")}, 3 * s},
				{clock.Tick{Time: at("00:00:03")}, 4 * s},
			},
		},
		{
			name: "many small steps back are followed once they add up", interval: s, lasts: 5200 * ms,
			steps: []step{{2100 * ms, -900 * ms}, {2900 * ms, -900 * ms}},
			want: []seen{
				{clock.Tick{Time: at("00:00:01")}, s},
				{clock.Tick{Time: at("00:00:02")}, 2 * s},
				{clock.Tick{Time: at("00:00:03")}, 4800 * ms},
			},
		},
		{
			name: "an hour's beat notices within a second, forward and back", interval: h, lasts: 2*h + 10*s,
			steps: []step{{h + 500*ms, 5*h + 10*time.Minute}, {h + 1500*ms, -4 * h}},
			want: []seen{
				{clock.Tick{Time: at("01:00:00")}, h},
				{clock.Tick{Time: at("06:00:00"), Late: 10*time.Minute + s, Skipped: 4}, h + s},
				{clock.Tick{Time: at("02:00:00"), Late: 10*time.Minute + 2*s, Era: 1}, h + 2*s},
				{clock.Tick{Time: at("03:00:00"), Era: 1}, h + 50*time.Minute},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, ticker := runStepped(t, c.interval, c.lasts, c.steps...)
				assert.Equal(t, c.want, got)
				var skipped uint64
				for _, tick := range c.want {
					skipped += tick.Skipped
				}
				assert.Equal(t, skipped, ticker.Skipped())
				assert.EqualValues(t, len(c.want), ticker.Ticks())
			})
		})
	}
}

// Whatever is done to the wall clock, the guarantees of the package hold.
func TestAnyJumpsNeitherStallNorFlood(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 0))
		interval := []time.Duration{20 * time.Millisecond, time.Second, 7 * time.Second, time.Minute}[seed%4]
		lasts := 30 * max(interval, time.Second)
		var steps []step
		for range rng.IntN(6) {
			size := []time.Duration{interval / 2, interval, 10 * interval, 1000 * time.Hour}[rng.IntN(4)]
			steps = append(steps, step{
				after: time.Duration(rng.Int64N(int64(lasts))),
				by:    time.Duration(rng.Int64N(2*int64(size)) - int64(size)),
			})
		}
		synctest.Test(t, func(t *testing.T) {
			got, _ := runStepped(t, interval, lasts, steps...)
			type key struct {
				unix int64
				era  uint64
			}
			keys := map[key]bool{}
			before := seen{}
			for i, tick := range got {
				ok := tick.Time.UnixMilli()%interval.Milliseconds() == 0 &&
					(i == 0 || !tick.Time.Equal(before.Time)) &&
					tick.Late >= 0 && tick.Late < interval &&
					tick.at-before.at <= maxSilence(interval, steps, before.at, tick.at) &&
					!keys[key{tick.Time.UnixMilli(), tick.Era}]
				if !ok {
					t.Fatalf("seed %d, interval %v, steps %v: tick %d %+v after %+v", seed, interval, steps, i, tick, before)
				}
				keys[key{tick.Time.UnixMilli(), tick.Era}] = true
				before = tick
			}
			perInterval := int(lasts/interval) + 1
			assert.LessOrEqual(t, len(got), perInterval+len(steps), "seed %d: more ticks than intervals and jumps", seed)
			assert.LessOrEqual(t, lasts-before.at, maxSilence(interval, steps, before.at, lasts), "seed %d: stalled", seed)
		})
	}
}

// maxSilence is the longest time without a tick that is allowed from one real time to another: two intervals, one more
// for each step in it that may have been small enough to be waited out, and the second in which a jump is noticed.
func maxSilence(interval time.Duration, steps []step, from, to time.Duration) time.Duration {
	allowed := 2*interval + time.Second
	for _, s := range steps {
		if from <= s.after && s.after <= to {
			allowed += interval
		}
	}
	return allowed
}

// A wall clock that stands still must not cause a busy loop.
func TestAStoppedWallClockIsLookedAtInPeace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := at("00:00:00.999").Add(999 * time.Microsecond) // a microsecond before the tick
		looks := 0
		run(t, time.Second, time.Second, func() time.Time { looks++; return stopped }, func(clock.Tick) { t.Error("no tick is due") })
		assert.LessOrEqual(t, looks, 1002)
	})
}
