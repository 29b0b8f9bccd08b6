package pubsub_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
)

// The comparison with the model, with real goroutines and real time, for the race detector: publishers, readers of any
// speed and a log that trims run at the same time.
func TestStreamsEqualTheModelUnderStress(t *testing.T) {
	for _, policy := range []pubsub.SlowPolicy{pubsub.SlowClose, pubsub.SlowSkip} {
		t.Run(string(policy), func(t *testing.T) {
			cfg := config()
			cfg.Window.Events, cfg.Heartbeat, cfg.Slow = 8, 100*time.Millisecond, policy
			f := start(t, cfg, newLog(200))
			topics := []string{"a", "b", "a/1", "a/2", "b/1"}

			var publishing sync.WaitGroup
			for range 4 {
				publishing.Go(func() {
					for range 500 {
						f.publish1(topics[rand.IntN(len(topics))], topics[rand.IntN(len(topics))])
						runtime.Gosched()
					}
				})
			}
			var end atomic.Uint64 // the offset of the last event, once it was published
			var all []*listener
			var listening sync.WaitGroup
			for i := range 120 {
				l := openStress(t, f, policy)
				all = append(all, l)
				listening.Go(func() { l.read(t, i%4, &end) })
				if i%10 == 9 {
					listening.Go(func() { l.stream.End(pubsub.EndGone) })
				}
			}
			publishing.Wait()
			end.Store(f.publish(1, "done")[0].Offset)
			listening.Wait()
			require.NoError(t, f.stop())
			for _, l := range all {
				require.NoError(t, l.check(f.log.All()))
			}
		})
	}
}

func openStress(t *testing.T, f *fixture, policy pubsub.SlowPolicy) *listener {
	t.Helper()
	texts := []string{"a", "b", "a/*", "a/**", "**", "*/1", "b/**"}
	starts := []pubsub.Start{next, pubsub.Last(10), pubsub.Last(150), pubsub.Since(time.Hour)}
	from := starts[rand.IntN(len(starts))]
	if newest := f.log.Extent().Newest; rand.IntN(2) == 0 && newest > 0 {
		from = pubsub.After(at(newest - min(newest, rand.Uint64N(250))).String())
	}
	l := &listener{sink: newSink(), policy: policy, sub: pubsub.Subscription{
		Patterns: patterns(texts[rand.IntN(len(texts))], texts[rand.IntN(len(texts))], "done"), Grant: access.Allow(patterns("a/**", "*")...), Start: from,
	}}
	l.sink.progress = make(chan struct{}, 1)
	l.sink.SetRoom(rand.IntN(5))
	var err error
	l.stream, err = f.engine.Open(context.Background(), l.sub)
	require.NoError(t, err)
	l.stream.Attach(l.sink)
	return l
}

// read makes room, slower with a greater pace, until the stream is closed or has got the last event.
func (l *listener) read(t *testing.T, pace int, end *atomic.Uint64) {
	t.Helper()
	timeout := time.After(time.Minute)
	for n := 0; ; n++ {
		reached, closed := l.sink.Reached()
		if last := end.Load(); closed || last > 0 && reached >= last {
			return
		}
		select {
		case <-l.sink.progress:
		case <-time.After(10 * time.Millisecond): // a needless Ready does no harm
		case <-timeout:
			t.Errorf("a stream got nothing more after %d", reached)
			return
		}
		for range pace * pace {
			runtime.Gosched()
		}
		l.sink.SetRoom(1 + n%(3*pace+2))
		l.stream.Ready()
	}
}
