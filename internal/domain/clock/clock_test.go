package clock_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/clock"
)

// wall is a wall clock that can be set, and leaves the bubble's own clock unchanged.
type wall struct{ offset time.Duration }

func (w *wall) now() time.Time { return time.Now().Add(w.offset) }

// run ticks inside a bubble for a duration, whatever the wall clock does, and calls onTick with each tick.
func run(t *testing.T, interval, d time.Duration, now func() time.Time, onTick func(clock.Tick)) *clock.Ticker {
	t.Helper()
	ticker, err := clock.NewTicker(interval, now)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	ticker.Run(ctx, onTick)
	return ticker
}

// at is a time of the day on which every bubble begins.
func at(clockTime string) time.Time {
	tm, err := time.Parse("2006-01-02 15:04:05.999", "2000-01-01 "+clockTime)
	if err != nil {
		panic(err)
	}
	return tm
}

func TestTicksOnEachFullSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(123456789 * time.Nanosecond) // start between two ticks
		var got []clock.Tick
		ticker := run(t, time.Second, 3500*time.Millisecond, time.Now, func(tick clock.Tick) {
			assert.Equal(t, tick.Time, time.Now().UTC().Round(0), "ticked at its nominal time")
			got = append(got, tick)
		})
		assert.Equal(t, []clock.Tick{
			{Time: at("00:00:01")}, {Time: at("00:00:02")}, {Time: at("00:00:03")},
		}, got)
		assert.EqualValues(t, 3, ticker.Ticks())
		assert.Zero(t, ticker.Skipped())
	})
}

func TestTicksOnMultiplesSinceTheUnixEpoch(t *testing.T) {
	for interval, want := range map[time.Duration]time.Time{
		10 * time.Millisecond:  at("00:00:00.010"),
		250 * time.Millisecond: at("00:00:00.250"),
		7 * time.Second:        at("00:00:02"), // midnight is 5 seconds after such a multiple
		time.Minute:            at("00:01:00"),
		24 * time.Hour:         at("00:00:00").AddDate(0, 0, 1),
	} {
		synctest.Test(t, func(t *testing.T) {
			var got []time.Time
			run(t, interval, time.Until(want)+interval/2, time.Now, func(tick clock.Tick) { got = append(got, tick.Time) })
			assert.Equal(t, []time.Time{want}, got, interval)
		})
	}
}

func TestDoesNotDriftOverDays(t *testing.T) {
	start := at("00:00:00")
	for _, c := range []struct {
		name  string
		lasts time.Duration
		speed float64 // of the wall clock, above that of real time
	}{
		{"true wall clock", 48 * time.Hour, 0},
		{"wall clock 500 ppm fast", 6 * time.Hour, 500e-6}, // as hard as time servers slew
		{"wall clock 500 ppm slow", 6 * time.Hour, -500e-6},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := func() time.Time {
					elapsed := time.Since(start)
					return start.Add(elapsed + time.Duration(float64(elapsed)*c.speed))
				}
				rng := rand.New(rand.NewPCG(1, 2))
				count, worst := 0, time.Duration(0)
				ticker := run(t, time.Second, c.lasts, now, func(tick clock.Tick) {
					count++
					if want := start.Add(time.Duration(count) * time.Second); !tick.Time.Equal(want) || tick.Skipped != 0 {
						t.Fatalf("tick %d is %v, skipped %d; want %v", count, tick.Time, tick.Skipped, want)
					}
					worst = max(worst, tick.Late)
					if count%16 == 0 {
						time.Sleep(time.Duration(rng.Int64N(int64(900 * time.Millisecond)))) // work that must not add up
					}
				})
				assert.InDelta(t, c.lasts.Seconds()*(1+c.speed), count, 1)
				assert.EqualValues(t, count, ticker.Ticks())
				assert.Less(t, worst, 2*time.Millisecond, "the last tick is as punctual as the first")
			})
		})
	}
}

func TestSkipsBeatsItSleptThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []clock.Tick
		ticker := run(t, time.Second, 8500*time.Millisecond, time.Now, func(tick clock.Tick) {
			got = append(got, tick)
			if len(got) == 2 {
				time.Sleep(4300 * time.Millisecond) // from 2 to 6.3
			}
		})
		assert.Equal(t, []clock.Tick{
			{Time: at("00:00:01")},
			{Time: at("00:00:02")},
			{Time: at("00:00:06"), Late: 300 * time.Millisecond, Skipped: 3},
			{Time: at("00:00:07")},
			{Time: at("00:00:08")},
		}, got)
		assert.EqualValues(t, 5, ticker.Ticks())
		assert.EqualValues(t, 3, ticker.Skipped())
	})
}

func TestEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		run(t, 24*time.Hour, 1500*time.Millisecond, time.Now, func(clock.Tick) { t.Error("no tick is due") })
		assert.Equal(t, 1500*time.Millisecond, time.Since(begin))
	})
}

func TestTicksBefore1970AndAfter2262(t *testing.T) {
	for _, year := range []int{1969, 2300} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Date(year, 3, 1, 12, 0, 0, 500e6, time.UTC)
			began := time.Now()
			now := func() time.Time { return start.Add(time.Since(began)) }
			var got []time.Time
			run(t, time.Second, 1600*time.Millisecond, now, func(tick clock.Tick) { got = append(got, tick.Time) })
			assert.Equal(t, []time.Time{start.Add(500 * time.Millisecond), start.Add(1500 * time.Millisecond)}, got)
		})
	}
}

func TestRefusesIntervals(t *testing.T) {
	for _, d := range []time.Duration{-time.Second, 0, 1, 9 * time.Millisecond, 10*time.Millisecond + 1, 24*time.Hour + time.Millisecond} {
		_, err := clock.NewTicker(d, time.Now)
		require.ErrorIs(t, err, clock.ErrInterval, d)
	}
	for _, d := range []time.Duration{clock.MinInterval, 11 * time.Millisecond, 7 * time.Second, clock.MaxInterval} {
		require.NoError(t, clock.CheckInterval(d), d)
	}
}
