package pubsub_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
)

// Drain ends streams evenly over its period, refuses new ones, and returns when all have ended.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Shards = 4
		f := start(t, cfg, newLog(0))
		var sinks []*fakeSink
		for range 1000 {
			_, sink := f.listen(next, "a")
			sinks = append(sinks, sink)
		}
		late := f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics})
		_, failing := f.listen(next, "a")
		synctest.Wait()

		began := time.Now()
		drained := make(chan error, 2)
		for range 2 { // two calls, as from a signal and a supervisor
			go func() { drained <- f.engine.Drain(t.Context(), 10*time.Second) }()
		}
		time.Sleep(time.Second)
		_, err := f.engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a")})
		require.ErrorIs(t, err, pubsub.ErrDraining)
		require.Equal(t, &pubsub.DrainingError{Remaining: 9 * time.Second}, err)
		sink := newSink()
		late.Attach(sink) // opened before Drain, attached during it
		failing.Fail()
		f.publish(1, "a") // is still delivered to the remaining streams
		synctest.Wait()
		assert.Equal(t, []string{"close:drain"}, sink.Text())
		require.NoError(t, <-drained)
		require.NoError(t, <-drained)

		assert.Zero(t, f.engine.Streams())
		assert.LessOrEqual(t, time.Since(began), 10*time.Second)
		second := make([]int, 10)
		for _, sink := range sinks {
			closes := sink.Only("close")
			require.Len(t, closes, 1)
			require.Equal(t, pubsub.EndDrain, closes[0].why)
			second[closes[0].when.Sub(began)/time.Second]++
			if closes[0].when.Sub(began) > time.Second {
				require.Len(t, sink.Only("item"), 1)
			}
		}
		for _, n := range second {
			assert.InDelta(t, 100, n, 8, "ends in each second: %v", second)
		}
	})
}

// While draining, events of publishers are refused unless the log outlives the process.
func TestAcceptingWhileDraining(t *testing.T) {
	for _, durable := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			log := newLog(0)
			log.durable = durable
			f := start(t, config(), log)
			f.listen(next, "a")
			f.listen(next, "a")
			synctest.Wait()
			require.NoError(t, f.engine.Accepting())
			drained := make(chan error, 1)
			go func() { drained <- f.engine.Drain(t.Context(), 10*time.Second) }()
			time.Sleep(4 * time.Second)
			if durable {
				require.NoError(t, f.engine.Accepting())
			} else {
				require.Equal(t, &pubsub.DrainingError{Remaining: 6 * time.Second}, f.engine.Accepting())
			}
			require.NoError(t, <-drained)
			time.Sleep(time.Minute)
			if durable {
				require.NoError(t, f.engine.Accepting())
			} else {
				require.Equal(t, &pubsub.DrainingError{}, f.engine.Accepting(), "the time does not become negative")
			}
		})
	}
}

func TestDrainWithoutStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		began := time.Now()
		require.NoError(t, f.engine.Drain(t.Context(), time.Hour))
		assert.Zero(t, time.Since(began))
	})
}

func TestDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		for range 100 {
			f.listen(next, "a")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, f.engine.Drain(ctx, time.Hour), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(began))
		assert.NotZero(t, f.engine.Streams())
	})
}
