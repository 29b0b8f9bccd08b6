package disklog_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/infra/disklog"
)

func benchLimits() pubsubtest.Limits {
	limits := pubsubtest.LargeLimits()
	limits.Events = 50_000
	return limits
}

func batch(t testing.TB, n int) []event.Event {
	t.Helper()
	events := make([]event.Event, n)
	for i := range events {
		events[i] = say(t, strings.Repeat("x", 100), "")
	}
	return events
}

// shared runs b.N appends on a number of goroutines.
func shared(b *testing.B, appenders, events int, do func(appender, n int) error) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var all sync.WaitGroup
	for a := range appenders {
		all.Go(func() {
			for {
				n := int(next.Add(1))
				if n > b.N {
					return
				}
				if err := do(a, n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		appenders, batch int
		keyed            bool
	}{{1, 1, false}, {16, 1, false}, {256, 1, false}, {1, 100, false}, {16, 100, false}, {16, 1, true}, {256, 1, true}} {
		b.Run(fmt.Sprintf("appenders=%d/batch=%d/keyed=%t", c.appenders, c.batch, c.keyed), func(b *testing.B) {
			log := open(b, config(b.TempDir(), benchLimits()))
			publish(b, log, batch(b, 50_000)...)
			events := batch(b, c.batch)
			shared(b, c.appenders, c.batch, func(_, n int) error {
				if c.keyed {
					_, err := log.Append(context.Background(), []event.Event{say(b, events[0].Data.String(), fmt.Sprint("key ", n))})
					return err
				}
				_, err := log.Append(context.Background(), events)
				return err
			})
			size, err := log.FileBytes()
			require.NoError(b, err)
			b.ReportMetric(float64(size)/1e6, "MB")
		})
	}
}

func BenchmarkRead10000(b *testing.B) {
	log := open(b, config(b.TempDir(), benchLimits()))
	publish(b, log, batch(b, 50_000)...)
	b.ReportAllocs()
	for b.Loop() {
		entries, err := log.Read(context.Background(), log.Extent().At(20_000), 10_000)
		if err != nil || len(entries) != 10_000 {
			b.Fatal(len(entries), err)
		}
	}
}

func BenchmarkOpenMillion(b *testing.B) {
	limits := pubsubtest.LargeLimits()
	cfg := config(b.TempDir(), limits)
	log := open(b, cfg)
	for range 100 {
		publish(b, log, batch(b, 10_000)...)
	}
	log.close()
	b.ReportAllocs()
	for b.Loop() {
		log, err := disklog.Open(cfg)
		if err != nil || log.Opening().Entries != 1_000_000 {
			b.Fatal(log.Opening(), err)
		}
		if err := log.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
