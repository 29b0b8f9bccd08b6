package pubsub_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

func at(offset uint64) event.Position { return event.Position{Epoch: "e1", Offset: offset} }

func TestResume(t *testing.T) {
	resetTo := func(why pubsub.ResetReason, requested string, oldest, newest, from uint64) *pubsub.Reset {
		r := &pubsub.Reset{Reason: why, Requested: requested, Newest: at(newest), At: at(from)}
		if oldest > 0 {
			r.Oldest = at(oldest)
		}
		return r
	}
	for _, c := range []struct {
		name, requested string
		from            uint64
		reset           *pubsub.Reset
	}{
		{"in the middle", "e1-15", 15, nil},
		{"at the head", "e1-20", 20, nil},
		{"right before the oldest", "e1-10", 10, nil},
		{"one too old", "e1-9", 10, resetTo(pubsub.ResetExpired, "e1-9", 11, 20, 10)},
		{"before everything", "e1-0", 10, resetTo(pubsub.ResetExpired, "e1-0", 11, 20, 10)},
		{"newer than the log", "e1-21", 20, resetTo(pubsub.ResetFuture, "e1-21", 11, 20, 20)},
		{"the greatest offset", "e1-18446744073709551615", 20, resetTo(pubsub.ResetFuture, "e1-18446744073709551615", 11, 20, 20)},
		{"of another log", "e0-15", 10, resetTo(pubsub.ResetEpoch, "e0-15", 11, 20, 10)},
		{"of another log, far ahead", "e2-99", 10, resetTo(pubsub.ResetEpoch, "e2-99", 11, 20, 10)},
		{"not a position", "<script>", 20, resetTo(pubsub.ResetMalformed, "", 11, 20, 20)},
		{"empty", "", 20, resetTo(pubsub.ResetMalformed, "", 11, 20, 20)},
		{"an offset that is too large", "e1-18446744073709551616", 20, resetTo(pubsub.ResetMalformed, "", 11, 20, 20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(t, config(), newLog(10))
				f.publish(20, "a")
				synctest.Wait()
				st, sink := f.listen(pubsub.After(c.requested), "a")
				from, reset := opening(st)
				assert.Equal(t, at(c.from), from)
				assert.Equal(t, c.reset, reset)
				f.publish(1, "a")
				synctest.Wait()
				assert.Equal(t, numbers(int(c.from)+1, 21), sink.Text())
			})
		})
	}
}

func TestResumeInAnEmptyLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(10))
		for _, c := range []struct {
			requested string
			why       pubsub.ResetReason
		}{{"e1-0", ""}, {"e1-1", pubsub.ResetFuture}, {"e0-7", pubsub.ResetEpoch}, {"?", pubsub.ResetMalformed}} {
			from, reset := opening(f.open(pubsub.Subscription{Patterns: patterns("a"), Start: pubsub.After(c.requested)}))
			assert.Equal(t, at(0), from, c.requested)
			if c.why == "" {
				assert.Nil(t, reset)
				continue
			}
			require.NotNil(t, reset, c.requested)
			assert.Equal(t, c.why, reset.Reason)
			assert.True(t, reset.Oldest.IsZero() && reset.Newest.IsZero(), "there is no oldest and no newest event")
		}
		for _, from := range []pubsub.Start{next, pubsub.Last(5), pubsub.Since(time.Hour)} {
			begin, reset := opening(f.open(pubsub.Subscription{Patterns: patterns("a"), Start: from}))
			assert.Equal(t, at(0), begin)
			assert.Nil(t, reset)
		}
		_, sink := f.listen(pubsub.After("e1-0"), "a")
		f.publish(2, "a")
		synctest.Wait()
		assert.Equal(t, numbers(1, 2), sink.Text())
	})
}

// A log whose whole history was trimmed still knows its newest position.
func TestResumeWhenNothingIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		f.publish(5, "a")
		f.log.Trim(5)
		from, reset := opening(f.open(pubsub.Subscription{Patterns: patterns("a"), Start: pubsub.After("e1-5")}))
		assert.Equal(t, at(5), from)
		assert.Nil(t, reset)
		from, reset = opening(f.open(pubsub.Subscription{Patterns: patterns("a"), Start: pubsub.After("e1-4")}))
		assert.Equal(t, at(5), from)
		assert.Equal(t, &pubsub.Reset{Reason: pubsub.ResetExpired, Requested: "e1-4", Newest: at(5), At: at(5)}, reset)
		for _, start := range []pubsub.Start{pubsub.Last(5), pubsub.Since(time.Hour)} {
			from, reset = opening(f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: everyone, Start: start}))
			assert.Equal(t, at(5), from)
			assert.Nil(t, reset)
		}
	})
}

// An engine that starts on a log with a history replays it and continues.
func TestStartOnALogWithHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(0)
		first := start(t, config(), log)
		first.publish(700, "a")
		require.NoError(t, first.stop())

		f := start(t, config(), log)
		f.published = 700
		_, all := f.listen(pubsub.After("e1-0"), "a")
		_, some := f.listen(pubsub.After("e1-650"), "a")
		_, live := f.listen(next, "a")
		f.publish(3, "a")
		synctest.Wait()
		assert.Equal(t, numbers(1, 703), all.Text())
		assert.Equal(t, numbers(651, 703), some.Text())
		assert.Equal(t, numbers(701, 703), live.Text())
	})
}

func TestLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		var rare []string // one event in a hundred, over several pages of history
		for range 20 {
			f.publish(99, "noise")
			f.publish(1, "rare", "also/rare")
			rare = append(rare, fmt.Sprint(f.published))
		}
		f.publish(50, "noise")
		synctest.Wait()
		for _, n := range []int{-1, 0, 1, 2, 5, 19, 20, 21, 1 << 40} {
			_, sink := f.listen(pubsub.Last(n), "rare", "*/rare")
			_, none := f.listen(pubsub.Last(n), "nobody")
			synctest.Wait()
			want := append([]string{}, rare[20-max(0, min(n, 20)):]...)
			assert.Equal(t, want, sink.Text(), "last %d", n)
			assert.Empty(t, none.Text())
		}
	})
}

// The log may be trimmed during the search; what it still keeps is found.
func TestLastWhileTheLogIsTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events = 10 // otherwise the log would not be read
		f := start(t, cfg, newLog(0))
		f.publish(600, "a")
		synctest.Wait()
		once := false
		f.log.Set(func(l *fakeLog) {
			l.onRead = func(after uint64, _ int) {
				if !once && after < 400 {
					once = true
					l.Trim(200)
				}
			}
		})
		from, reset := opening(f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: everyone, Start: pubsub.Last(1000)}))
		assert.Equal(t, at(200), from)
		assert.Nil(t, reset)

		f.log.Set(func(l *fakeLog) {
			l.onRead = func(after uint64, _ int) { // everything is trimmed
				l.Trim(600)
			}
		})
		from, _ = opening(f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: everyone, Start: pubsub.Last(1000)}))
		assert.Equal(t, at(600), from)
	})
}

func TestSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(50)
		f := start(t, config(), log)
		for range 60 { // one a second; the first ten are trimmed
			f.publish(1, "a")
			time.Sleep(time.Second)
		}
		for _, c := range []struct {
			age  time.Duration
			from int
		}{
			{0, 60},
			{-time.Hour, 60},
			{500 * time.Millisecond, 60},
			{time.Second, 59},
			{1500 * time.Millisecond, 59},
			{10 * time.Second, 50},
			{50 * time.Second, 10},
			{time.Hour, 10},
			{1 << 62, 10},
		} {
			st, sink := f.listen(pubsub.Since(c.age), "a")
			from, reset := opening(st)
			assert.Equal(t, at(uint64(c.from)), from, "since %s", c.age)
			assert.Nil(t, reset)
			synctest.Wait()
			assert.Equal(t, numbers(c.from+1, 60), sink.Text(), "since %s", c.age)
		}
	})
}

// Offsets of a log may have gaps without a loss.
func TestSparseOffsets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events = 16
		f := start(t, cfg, newLog(0))
		_, live := f.listen(next, "a")
		synctest.Wait()
		var offsets []uint64
		for i := range uint64(100) {
			f.log.SkipOffsets(i % 5)
			offsets = append(offsets, f.publish(1, "a")[0].Offset)
			synctest.Wait()
		}
		f.log.SkipOffsets(3) // no event has the newest offset
		synctest.Wait()
		assert.Equal(t, numbers(1, 100), live.Text())
		assert.Zero(t, f.log.Reads(), "a gap without a loss is no reason to read the log")
		for i, offset := range offsets {
			_, sink := f.listen(pubsub.After(at(offset).String()), "a")
			_, between := f.listen(pubsub.After(at(offset-1).String()), "a")
			_, last := f.listen(pubsub.Last(100-i), "a")
			synctest.Wait()
			assert.Equal(t, numbers(i+2, 100), sink.Text())
			assert.Equal(t, numbers(i+1, 100), between.Text())
			assert.Equal(t, numbers(i+1, 100), last.Text())
		}
		_, since := f.listen(pubsub.Since(time.Hour), "a")
		synctest.Wait()
		assert.Equal(t, numbers(1, 100), since.Text())
	})
}

// All streams are reset when the log trimmed entries before it could deliver them.
func TestEntriesTheLogSkippedAreNotSilent(t *testing.T) {
	for _, policy := range []pubsub.SlowPolicy{pubsub.SlowClose, pubsub.SlowSkip} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config()
				cfg.Slow = policy
				f := start(t, cfg, newLog(10))
				_, live := f.listen(next, "a")
				_, quiet := f.listen(next, "b")
				f.publish(5, "a")
				synctest.Wait()
				f.log.Away(pubsub.ErrUnavailable)
				synctest.Wait()
				f.log.Back() // the engine follows it again after a second
				f.publish(20, "a")
				time.Sleep(2 * time.Second)
				f.publish(1, "a")
				synctest.Wait()
				assert.Equal(t, append(append(numbers(1, 5), "reset:expired@15"), numbers(16, 26)...), live.Text())
				assert.Equal(t, []string{"reset:expired@15"}, quiet.Text(), "the missed events may have matched any stream")
				resets := live.Only("reset")
				assert.Equal(t, pubsub.Reset{
					Reason: pubsub.ResetExpired, Requested: "e1-5", Oldest: at(16), Newest: at(25), At: at(15),
				}, resets[0].reset)
			})
		})
	}
}

func TestOpenWhileTheLogIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events = 1 // what is in the window is not read from the log
		f := start(t, cfg, newLog(0))
		f.publish(5, "a")
		f.log.Away(pubsub.ErrUnavailable)
		for _, from := range []pubsub.Start{pubsub.Last(3), pubsub.Since(time.Hour)} {
			_, err := f.engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a"), Grant: everyone, Start: from})
			require.ErrorIs(t, err, pubsub.ErrUnavailable)
		}
		f.log.Back()
		f.log.Set(func(l *fakeLog) { l.slow = time.Minute })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := f.engine.Open(ctx, pubsub.Subscription{Patterns: patterns("a"), Grant: everyone, Start: pubsub.Last(3)})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
