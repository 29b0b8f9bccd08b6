package memlog_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/infra/memlog"
)

// benchLog is a full log, as it is after a while, with one follower.
func benchLog(b *testing.B) *memlog.Log {
	b.Helper()
	limits := pubsubtest.LargeLimits()
	limits.Events = 10_000
	limits.Keys = 100_000
	log := open(b, limits)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = log.Follow(ctx, log.Extent().At(0), func(uint64, []event.Entry) {}) }()
	b.Cleanup(func() { cancel(); <-done })
	publish(b, log, batch(b, 10_000)...)
	return log
}

func batch(b *testing.B, n int) []event.Event {
	b.Helper()
	events := make([]event.Event, n)
	for i := range events {
		events[i] = keyed(strings.Repeat("x", 100), "")
	}
	return events
}

func benchAppend(b *testing.B, log *memlog.Log, events []event.Event) {
	b.Helper()
	b.ReportAllocs()
	ctx := b.Context()
	for b.Loop() {
		if _, err := log.Append(ctx, events); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(events)), "ns/event")
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) { benchAppend(b, benchLog(b), batch(b, n)) })
	}
	b.Run("parallel", func(b *testing.B) {
		log, events, ctx := benchLog(b), batch(b, 1), b.Context()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := log.Append(ctx, events); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("keyed", func(b *testing.B) {
		keys := make([]event.Key, 1<<18) // more than are remembered
		for i := range keys {
			keys[i] = eventtest.MustKey(fmt.Sprint("key ", i))
		}
		log, events, ctx := benchLog(b), batch(b, 1), b.Context()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			events[0].Key = keys[i%len(keys)]
			if _, err := log.Append(ctx, events); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	log, ctx := benchLog(b), b.Context()
	oldest := log.Extent().Oldest
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		page, err := log.Read(ctx, log.Extent().At(oldest-1+i*251%9000), 256)
		if err != nil || len(page) != 256 {
			b.Fatal(len(page), err)
		}
	}
}
