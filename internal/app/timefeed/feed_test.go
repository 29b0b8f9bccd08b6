package timefeed_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the tests run where no zones are installed

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/timefeed"
	"carillon/internal/domain/event"
)

// log keeps what is published; result returns the error of a publish.
type log struct {
	events []event.Event
	result func(ctx context.Context, n int) error // of the nth publish, from 1
	calls  int
}

func (l *log) Publish(ctx context.Context, events ...event.Event) ([]pubsub.Appended, error) {
	l.calls++
	if l.result != nil {
		if err := l.result(ctx, l.calls); err != nil {
			return nil, err
		}
	}
	l.events = append(l.events, events...)
	return make([]pubsub.Appended, len(events)), nil
}

func (l *log) data() (texts []string) {
	for _, e := range l.events {
		texts = append(texts, e.Data.String())
	}
	return texts
}

func (l *log) keys() (keys []string) {
	for _, e := range l.events {
		keys = append(keys, e.Key.String())
	}
	return keys
}

// observer records what is reported to it.
type observer struct {
	reported []any
	late     []time.Duration
}

func (o *observer) Ticked(late time.Duration) { o.late = append(o.late, late) }

func (o *observer) Failing(err error)     { o.reported = append(o.reported, err) }
func (o *observer) Recovered(lost uint64) { o.reported = append(o.reported, lost) }

// run feeds the log for d, with a wall clock that starts at the given time.
func run(t *testing.T, cfg timefeed.Config, start time.Time, d time.Duration, l *log) (timefeed.Stats, []any) {
	t.Helper()
	began := time.Now()
	return runOn(t, cfg, func() time.Time { return start.Add(time.Since(began)) }, d, l)
}

func runOn(t *testing.T, cfg timefeed.Config, now func() time.Time, d time.Duration, l *log) (timefeed.Stats, []any) {
	t.Helper()
	o := &observer{}
	feed, err := timefeed.New(cfg, now, l, o)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	require.NoError(t, feed.Run(ctx))
	return feed.Stats(), o.reported
}

var everySecond = timefeed.Config{Enabled: true, Interval: time.Second, Timezone: "UTC", Layout: time.DateTime}

func TestPublishesEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		start := time.Date(2025, 6, 18, 9, 49, 32, 400e6, time.UTC)
		stats, reported := run(t, everySecond, start, 3*time.Second, l)

		assert.Equal(t, []string{"2025-06-18 09:49:33", "2025-06-18 09:49:34", "2025-06-18 09:49:35"}, l.data())
		assert.Equal(t, []string{"clock/1750240173000", "clock/1750240174000", "clock/1750240175000"}, l.keys())
		for _, e := range l.events {
			require.NoError(t, e.Validate())
			assert.Equal(t, []event.Topic{event.MustTopic("clock")}, e.Topics)
			assert.True(t, e.Type.IsDefault(), "onmessage hears it")
			assert.Zero(t, e.Retry)
		}
		assert.Equal(t, timefeed.Stats{Ticks: 3}, stats)
		assert.Empty(t, reported)
	})
}

func TestWritesTheTimeInItsZoneAndLayout(t *testing.T) {
	summer := time.Date(2025, 6, 18, 9, 49, 33, 0, time.UTC)
	lastOfSummer := time.Date(2025, 10, 26, 0, 59, 58, 0, time.UTC) // in Berlin 3:00 becomes 2:00 a second later
	for _, c := range []struct {
		timezone, layout string
		interval         time.Duration
		start            time.Time
		want             []string
	}{
		{"UTC", "15:04:05.000", 250 * time.Millisecond, summer, []string{"09:49:33.250", "09:49:33.500"}},
		{"Asia/Kathmandu", time.DateTime, time.Second, summer, []string{"2025-06-18 15:34:34", "2025-06-18 15:34:35"}},
		{"Europe/Berlin", "15:04:05 MST", time.Second, lastOfSummer, []string{"02:59:59 CEST", "02:00:00 CET"}},
		{"UTC", "json", time.Second, summer, []string{
			`{"time":"2025-06-18T09:49:34.000Z","unix_ms":1750240174000,"zone":"UTC"}`,
			`{"time":"2025-06-18T09:49:35.000Z","unix_ms":1750240175000,"zone":"UTC"}`,
		}},
		{"Europe/Berlin", "json", time.Second, lastOfSummer, []string{
			`{"time":"2025-10-26T02:59:59.000+02:00","unix_ms":1761440399000,"zone":"Europe/Berlin"}`,
			`{"time":"2025-10-26T02:00:00.000+01:00","unix_ms":1761440400000,"zone":"Europe/Berlin"}`,
		}},
	} {
		t.Run(c.timezone+" "+c.layout, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &log{}
				cfg := timefeed.Config{Enabled: true, Interval: c.interval, Timezone: c.timezone, Layout: c.layout}
				run(t, cfg, c.start, 2*c.interval+1, l)
				assert.Equal(t, c.want, l.data())
			})
		})
	}
}

func TestTellsHowLateEachTickIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{result: func(_ context.Context, n int) error {
			if n == 1 {
				time.Sleep(1300 * time.Millisecond) // over the second tick
			}
			return errors.New("log is down")
		}}
		began, start := time.Now(), time.Date(2025, 6, 18, 9, 0, 0, 0, time.UTC)
		o := &observer{}
		feed, err := timefeed.New(everySecond, func() time.Time { return start.Add(time.Since(began)) }, l, o)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		require.NoError(t, feed.Run(ctx))
		assert.Equal(t, []time.Duration{0, 300 * time.Millisecond, 0}, o.late, "those that cannot be published too")
	})
}

func TestAFailingLogCostsItsTicksAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("log is down")
		l := &log{result: func(_ context.Context, n int) error {
			if n == 2 || n == 3 || n == 5 {
				return down
			}
			return nil
		}}
		start := time.Date(2025, 6, 18, 9, 0, 0, 0, time.UTC)
		stats, reported := run(t, everySecond, start, 6500*time.Millisecond, l)

		assert.Equal(t, []string{"2025-06-18 09:00:01", "2025-06-18 09:00:04", "2025-06-18 09:00:06"}, l.data())
		assert.Equal(t, timefeed.Stats{Ticks: 6, Failed: 3}, stats)
		assert.Equal(t, []any{down, uint64(2), down, uint64(1)}, reported)
	})
}

func TestAClockThatIsTurnedOffDoesNotTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, off := &log{}, everySecond
		off.Enabled = false
		stats, reported := run(t, off, time.Unix(0, 0), time.Hour, l)
		assert.Empty(t, l.events)
		assert.Equal(t, timefeed.Stats{}, stats)
		assert.Empty(t, reported)
	})
}

// Another node may write the time in another zone or layout. Its tick is the tick.
func TestATickOfAnotherNodeCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{result: func(context.Context, int) error { return &pubsub.KeyReusedError{} }}
		stats, reported := run(t, everySecond, time.Unix(0, 0), 2500*time.Millisecond, l)
		assert.Equal(t, timefeed.Stats{Ticks: 2}, stats)
		assert.Empty(t, reported)
	})
}

func TestASlowLogSkipsTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{result: func(ctx context.Context, n int) error {
			if n == 2 {
				time.Sleep(900 * time.Millisecond)
			}
			return ctx.Err()
		}}
		cfg := everySecond
		cfg.Interval, cfg.Layout = 200*time.Millisecond, "05.000"
		stats, reported := run(t, cfg, time.Unix(0, 0), 1900*time.Millisecond, l)

		// The second publish takes from 0.4 to 1.3; what is newest then is published at once.
		assert.Equal(t, []string{"00.200", "00.400", "01.200", "01.400", "01.600", "01.800"}, l.data())
		assert.Equal(t, timefeed.Stats{Ticks: 6, Skipped: 3}, stats)
		assert.Empty(t, reported)
	})
}

func TestALogThatHangsIsGivenUp(t *testing.T) {
	for _, c := range []struct {
		interval, wait time.Duration
		skipped        uint64
	}{
		{10 * time.Millisecond, time.Second, 99},
		{time.Second, time.Second, 0},
		{2 * time.Second, 2 * time.Second, 0},
		{time.Hour, 5 * time.Second, 0},
	} {
		t.Run(c.interval.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var waited time.Duration
				l := &log{result: func(ctx context.Context, n int) error {
					if n > 1 {
						return nil
					}
					began := time.Now()
					<-ctx.Done()
					waited = time.Since(began)
					return ctx.Err()
				}}
				cfg := everySecond
				cfg.Interval = c.interval
				stats, reported := run(t, cfg, time.Unix(0, 0), c.interval+max(c.wait, c.interval)+time.Millisecond, l)

				assert.Equal(t, c.wait, waited)
				assert.Equal(t, timefeed.Stats{Ticks: 2, Skipped: c.skipped, Failed: 1}, stats)
				assert.Len(t, l.events, 1, "one tick, not a burst")
				assert.Equal(t, []any{context.DeadlineExceeded, uint64(1)}, reported)
			})
		})
	}
}

func TestStoppingWhilePublishingIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{result: func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }}
		stats, reported := run(t, everySecond, time.Unix(0, 0), 1100*time.Millisecond, l)
		assert.Equal(t, timefeed.Stats{Ticks: 1}, stats)
		assert.Empty(t, reported)
	})
}

// A log that remembers keys must not treat the repeated times as duplicates.
func TestAWallClockSetBackGetsNewKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		began := time.Now()
		setBack := func() time.Time {
			elapsed := time.Since(began)
			if elapsed > 3500*time.Millisecond {
				elapsed -= 3 * time.Second
			}
			return time.Unix(0, 0).Add(elapsed)
		}
		runOn(t, everySecond, setBack, 7500*time.Millisecond, l)
		assert.Equal(t, []string{
			"clock/1000", "clock/2000", "clock/3000",
			"clock/1000/1", "clock/2000/1", "clock/3000/1", "clock/4000",
		}, l.keys())
	})
}
