package pubsub_test

import (
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
			from, reset = opening(f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: start}))
			assert.Equal(t, at(5), from)
			assert.Equal(t, &pubsub.Reset{Reason: pubsub.ResetExpired, Newest: at(5), At: at(5)}, reset)
		}
	})
}
