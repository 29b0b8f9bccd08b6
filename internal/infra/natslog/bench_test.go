package natslog_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/infra/natslog/natstest"
)

var hundred = say(fmt.Sprintf("%0100d", 0), "bench")

// Acknowledged events of 100 bytes. Servers, client and appenders share the processors.
func BenchmarkAppend(b *testing.B) {
	for _, servers := range []int{1, 3} {
		for _, appenders := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("servers=%d/appenders=%d", servers, appenders), func(b *testing.B) {
				n := open(b, config(startServers(b, servers), pubsubtest.LargeLimits()))
				var left atomic.Int64
				left.Store(int64(b.N))
				b.ResetTimer()
				var all sync.WaitGroup
				for range appenders {
					all.Go(func() {
						for left.Add(-1) >= 0 {
							if _, err := n.Append(b.Context(), []event.Event{hundred}); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				all.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

// Batches of 100 events, from 16 appenders.
func BenchmarkAppendBatches(b *testing.B) {
	batch := make([]event.Event, 100)
	for i := range batch {
		batch[i] = hundred
	}
	for _, servers := range []int{1, 3} {
		b.Run(fmt.Sprintf("servers=%d", servers), func(b *testing.B) {
			n := open(b, config(startServers(b, servers), pubsubtest.LargeLimits()))
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := n.Append(b.Context(), batch); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// Following a history of 100,000 events, and reading it in pages of 1,000.
func BenchmarkFollow(b *testing.B) {
	const kept = 100_000
	n := open(b, config(startServers(b, 1), pubsubtest.LargeLimits()))
	batch := make([]event.Event, 1000)
	for i := range batch {
		batch[i] = hundred
	}
	for range kept / len(batch) {
		publish(b, n, batch...)
	}
	b.Run("follow", func(b *testing.B) {
		for range b.N {
			follower := make(chan struct{})
			go func() {
				_ = n.Follow(b.Context(), n.Extent().At(0), func(_ uint64, entries []event.Entry) {
					if entries[len(entries)-1].Position.Offset == kept {
						close(follower)
					}
				})
			}()
			<-follower
		}
		b.ReportMetric(float64(b.N*kept)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("read", func(b *testing.B) {
		for range b.N {
			for at := uint64(0); at < kept; {
				entries, err := n.Read(b.Context(), n.Extent().At(at), 1000)
				require.NoError(b, err)
				at = entries[len(entries)-1].Position.Offset
			}
		}
		b.ReportMetric(float64(b.N*kept)/b.Elapsed().Seconds(), "events/s")
	})
}

// From an append on one node to the delivery on another.
func BenchmarkAppendToDelivery(b *testing.B) {
	for _, servers := range []int{1, 3} {
		b.Run(fmt.Sprintf("servers=%d", servers), func(b *testing.B) {
			writer := open(b, config(startServers(b, servers), pubsubtest.LargeLimits()))
			reader := open(b, writer.cfg)
			arrived := make(chan uint64, 1024)
			go func() {
				_ = reader.Follow(b.Context(), reader.Extent().At(0), func(_ uint64, entries []event.Entry) {
					arrived <- entries[len(entries)-1].Position.Offset
				})
			}()
			b.ResetTimer()
			for range b.N {
				at := publish(b, writer, hundred)[0].Offset
				for <-arrived < at {
				}
			}
		})
	}
}

func startServers(b *testing.B, n int) *natstest.Servers {
	b.Helper()
	quiet := func(o *server.Options) { o.SyncInterval = time.Minute }
	if n == 1 {
		return natstest.Start(b, quiet)
	}
	return natstest.StartCluster(b, quiet)
}
