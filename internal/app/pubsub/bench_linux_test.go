package pubsub_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"carillon/internal/app/pubsub"
)

// timingSink adds up the time from each publish to its Send.
type timingSink struct {
	countingSink

	published time.Time // when the event was published that comes next
	latency   *atomic.Int64
	complete  *sync.WaitGroup
}

func (s *timingSink) Send(items []*pubsub.Item) (int, error) {
	s.latency.Add(int64(time.Since(s.published)))
	s.complete.Done()
	return len(items), nil
}

// BenchmarkOneReader measures an event with one reader, as most are that an application sends to a user, at a rate that
// lets the shards come to rest in between: the processor time of the whole process, and the time until the sink has the
// event. The publisher is woken by a descriptor, as by a request; a timer of Go is too coarse.
func BenchmarkOneReader(b *testing.B) {
	const streams = 1000
	for _, every := range []time.Duration{200 * time.Microsecond, 500 * time.Microsecond} {
		b.Run(fmt.Sprintf("every=%s", every), func(b *testing.B) {
			e := newBenchEngine(b, 1)
			var latency atomic.Int64
			var complete sync.WaitGroup
			var sinks []*timingSink
			for i := range streams {
				st, err := e.engine.Open(context.Background(), pubsub.Subscription{Patterns: patterns(userTopic(i)), Grant: allTopics})
				require.NoError(b, err)
				sinks = append(sinks, &timingSink{latency: &latency, complete: &complete})
				st.Attach(sinks[i])
			}
			e.waitLive(streams)
			wait := newPacer(b, every)
			n, before := 0, processorTime(b)
			for b.Loop() {
				wait()
				ev := newEvent("The quick brown fox jumps over the lazy dog", userTopic(n%streams))
				complete.Add(1)
				sinks[n%streams].published = time.Now()
				if _, err := e.engine.Publish(context.Background(), ev); err != nil {
					b.Fatal(err)
				}
				n++
			}
			complete.Wait()
			b.ReportMetric(float64(processorTime(b)-before)/float64(n), "cpu-ns/op")
			b.ReportMetric(float64(latency.Load())/float64(n), "latency-ns/op")
		})
	}
}

// newPacer returns a function that waits for the next tick, or not at all if one was missed.
func newPacer(b *testing.B, every time.Duration) (wait func()) {
	b.Helper()
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	require.NoError(b, err)
	timer := os.NewFile(uintptr(fd), "timerfd")
	b.Cleanup(func() { _ = timer.Close() })
	next := unix.NsecToTimespec(every.Nanoseconds())
	require.NoError(b, unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: next, Value: next}, nil))
	var ticks [8]byte
	return func() {
		if _, err := timer.Read(ticks[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func userTopic(i int) string { return fmt.Sprintf("user/%d", i) }

// processorTime returns what the process has taken.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
