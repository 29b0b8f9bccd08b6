package pubsub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
)

func TestSlowClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events = 4
		f := start(t, cfg, newLog(0))
		_, slow := f.listenUpTo(2, next, "a")
		_, within := f.listenUpTo(0, next, "b")
		synctest.Wait()
		f.trickle(4, "a")
		f.trickle(2, "b")
		time.Sleep(10 * time.Minute)
		assert.Equal(t, numbers(1, 2), slow.Text(), "its next event is still in the window")
		f.trickle(2, "a")
		time.Sleep(15 * time.Second)
		assert.Equal(t, []string{"1", "2", "close:slow"}, slow.Text())
		assert.Empty(t, within.Text(), "its next event is in the window")

		_, resumed := f.listen(pubsub.After(slow.Only("item")[1].at.String()), "a")
		synctest.Wait()
		assert.Equal(t, []string{"3", "4", "7", "8"}, resumed.Text(), "nothing is lost")
	})
}

// The slow policy also applies to a client that stops reading before its stream was ever live.
func TestSlowCloseBeforeLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events = 4
		f := start(t, cfg, newLog(0))
		f.trickle(2, "a")
		_, slow := f.listenUpTo(1, pubsub.Last(2), "a")
		synctest.Wait()
		assert.Equal(t, numbers(1, 1), slow.Text())
		f.trickle(8, "a")
		time.Sleep(20 * time.Second) // the first timer of a stream takes up to an interval and its jitter
		assert.Equal(t, []string{"1", "close:slow"}, slow.Text())
	})
}

func TestSlowSkip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events, cfg.Slow = 4, pubsub.SlowSkip
		f := start(t, cfg, newLog(0))
		st, slow := f.listenUpTo(2, next, "a")
		synctest.Wait()
		f.trickle(20, "a")
		time.Sleep(10 * time.Minute)
		assert.Equal(t, numbers(1, 2), slow.Text())
		slow.SetRoom(-1)
		st.Ready()
		synctest.Wait()
		f.publish(2, "a")
		synctest.Wait()
		assert.Equal(t, []string{"1", "2", "reset:slow@20", "21", "22"}, slow.Text())
		assert.Equal(t, pubsub.Reset{
			Reason: pubsub.ResetSlow, Requested: "e1-2", Oldest: at(1), Newest: at(20), At: at(20),
		}, slow.Only("reset")[0].reset)
	})
}

// When one client of a thousand stops reading, the others still get everything at once.
func TestStalledSinkDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events = 16
		f := start(t, cfg, newLog(0))
		sinks := make([]*fakeSink, 1000)
		for i := range sinks {
			_, sinks[i] = f.listen(next, "a")
		}
		sinks[500].SetRoom(3)
		synctest.Wait()
		var sent []time.Time
		for range 100 {
			sent = append(sent, time.Now())
			f.publish(1, "a")
			time.Sleep(20 * time.Millisecond)
		}
		for i, sink := range sinks {
			if i == 500 {
				continue
			}
			items := sink.Only("item")
			require.Len(t, items, 100)
			for n, x := range items {
				require.Equal(t, sent[n], x.when)
			}
		}
		assert.Equal(t, numbers(1, 3), sinks[500].Text()[:3])
		time.Sleep(15 * time.Second)
		assert.Equal(t, pubsub.EndSlow, sinks[500].Why())
	})
}
