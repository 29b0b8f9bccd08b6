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
)

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

// A client that asks for more than is kept is told, if some of it may have been there.
func TestLastOfATrimmedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(50))
		f.publish(50, "a")
		synctest.Wait()
		_, whole := f.listen(pubsub.Last(1000), "a")
		f.publish(50, "a", "b")
		synctest.Wait()
		assert.Equal(t, numbers(1, 100), whole.Text(), "nothing had been trimmed")
		expired := &pubsub.Reset{Reason: pubsub.ResetExpired, Oldest: at(51), Newest: at(100), At: at(50)}
		for n, want := range map[int]*pubsub.Reset{0: nil, 1: nil, 50: nil, 51: expired, 1 << 40: expired} {
			st, sink := f.listen(pubsub.Last(n), "a")
			_, reset := opening(st)
			assert.Equal(t, want, reset, "last %d", n)
			synctest.Wait()
			assert.Len(t, sink.Text(), min(n, 50))
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
		from, reset := opening(f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.Last(1000)}))
		assert.Equal(t, at(200), from)
		assert.Equal(t, &pubsub.Reset{Reason: pubsub.ResetExpired, Oldest: at(201), Newest: at(600), At: at(200)}, reset)

		f.log.Set(func(l *fakeLog) {
			l.onRead = func(after uint64, _ int) { // everything is trimmed
				l.Trim(600)
			}
		})
		from, reset = opening(f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.Last(1000)}))
		assert.Equal(t, at(600), from)
		assert.Equal(t, &pubsub.Reset{Reason: pubsub.ResetExpired, Newest: at(600), At: at(600)}, reset)
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
			age    time.Duration
			from   int
			missed bool
		}{
			{0, 60, false},
			{-time.Hour, 60, false},
			{500 * time.Millisecond, 60, false},
			{time.Second, 59, false},
			{1500 * time.Millisecond, 59, false},
			{10 * time.Second, 50, false},
			{49500 * time.Millisecond, 11, false},
			{50 * time.Second, 10, true},
			{time.Hour, 10, true},
			{1 << 62, 10, true},
		} {
			st, sink := f.listen(pubsub.Since(c.age), "a")
			from, reset := opening(st)
			assert.Equal(t, at(uint64(c.from)), from, "since %s", c.age)
			var want *pubsub.Reset // what was trimmed may not have been older
			if c.missed {
				want = &pubsub.Reset{Reason: pubsub.ResetExpired, Oldest: at(11), Newest: at(60), At: at(10)}
			}
			assert.Equal(t, want, reset, "since %s", c.age)
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
				f.log.Fail(pubsub.ErrUnavailable)
				synctest.Wait()
				f.log.Recover() // the engine follows it again after a second
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
		f.log.Fail(pubsub.ErrUnavailable)
		for _, from := range []pubsub.Start{pubsub.Last(3), pubsub.Since(time.Hour)} {
			_, err := f.engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: from})
			require.ErrorIs(t, err, pubsub.ErrUnavailable)
		}
		f.log.Recover()
		f.log.Set(func(l *fakeLog) { l.slow = time.Minute })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := f.engine.Open(ctx, pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.Last(3)})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
