package delivery_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/sse"
)

func TestEventsComeInOrder(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind)
		one, two := s.listen("topic=a"), s.listen("topic=**")
		for round := range 20 {
			texts := numbered(1+round*10, strings.Repeat("x", round*20))
			ids := s.publish("a", texts...) // few at first, then many that go out together
			for _, client := range []*reader{one, two} {
				for i, text := range texts {
					m := client.next()
					require.Equal(t, sse.Message{ID: ids[i], Type: "message", Data: text}, m)
				}
			}
		}
	})
}

func TestResumeAndReset(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind)
		ids := s.publish("a", "1", "2", "3")
		assert.Equal(t, "3", s.listen("topic=a&after="+ids[1]).next().Data)
		lost := s.listen("topic=a&after=nonsense")
		m := lost.next()
		assert.Equal(t, "carillon.reset", m.Type)
		assert.Equal(t, ids[2], m.ID)
		s.publish("a", "4")
		assert.Equal(t, "4", lost.next().Data)
		retry, ok := lost.in.Retry()
		assert.True(t, ok)
		assert.GreaterOrEqual(t, retry, 2*time.Second)
	})
}

func TestHeartbeats(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind, func(_ *delivery.Config, engine *pubsub.Config) { engine.Heartbeat = 100 * time.Millisecond })
		client := s.listen("topic=a")
		elsewhere := s.publish("b", "not for this stream")
		go func() { _, _ = client.in.Next() }()
		require.Eventually(t, func() bool { return client.heartbeats.Load() >= 4 }, waitTimeout, time.Millisecond)
		// A heartbeat moves the position to resume from past events that were not for this stream.
		s.publish("a", "over")
		resumed := s.listen("topic=**&after=" + elsewhere[0])
		assert.Equal(t, "over", resumed.next().Data)
	})
}

func TestDrainingSendsGoaway(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind)
		var clients []*reader
		for range 10 {
			clients = append(clients, s.listen("topic=a"))
		}
		s.publish("a", "1", "2")
		for _, client := range clients {
			assert.Equal(t, "1", client.next().Data)
			assert.Equal(t, "2", client.next().Data)
		}
		require.NoError(t, s.engine.Drain(t.Context(), 50*time.Millisecond))
		for _, client := range clients {
			client.expectGoaway()
			did := s.waitEnded()
			assert.Equal(t, pubsub.EndDrain, did.Reason)
			assert.EqualValues(t, 2, did.Events)
			assert.Greater(t, did.Bytes, int64(50))
		}
	})
}

func TestStoppingEndsStreams(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind)
		client := s.listen("topic=a")
		s.stopEngine()
		client.expectGoaway()
		assert.Equal(t, pubsub.EndDrain, s.waitEnded().Reason)
	})
}

func TestClientsThatLeaveAreNoticed(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind)
		stays := s.listen("topic=a")
		for range 5 {
			s.listen("topic=a").close() // nothing is written that could fail
			did := s.waitEnded()
			assert.Equal(t, pubsub.EndGone, did.Reason)
			assert.Zero(t, did.Events)
		}
		s.publish("a", "still here")
		assert.Equal(t, "still here", stays.next().Data)
		s.waitStreams(1)
	})
}

func TestClientsThatAreCutOffAreNoticed(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		if kind.http2 {
			t.Skip("needs a raw HTTP/2 client; leaving is tested above")
		}
		s := newTestServer(t, kind)
		conn, _ := s.dial(0)
		stop := make(chan struct{})
		var publishing sync.WaitGroup
		publishing.Go(func() { // so that writes fail because of the reset
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = s.engine.Publish(context.Background(), event.Event{Topics: []event.Topic{event.MustTopic("a")}})
				}
			}
		})
		if tcp, ok := conn.(*net.TCPConn); ok {
			require.NoError(t, tcp.SetLinger(0)) // a reset, not an orderly close
		}
		require.NoError(t, conn.Close())
		did := s.waitEnded()
		close(stop)
		publishing.Wait()
		assert.Contains(t, []pubsub.EndReason{pubsub.EndGone, pubsub.EndFailed}, did.Reason)
	})
}

// The weight of gzip itself takes precedence over that of "*" (RFC 9110, 12.5.3).
func TestGzipIsNegotiated(t *testing.T) {
	s := newTestServer(t, connKind{takeOver: true, gzip: true})
	for accepted, want := range map[string]string{
		"gzip": "gzip", "GZIP;q=0.1": "gzip", "br, gzip": "gzip", "*": "gzip", "*;q=0, gzip": "gzip", "identity, *;q=0.5": "gzip",
		"": "", "br": "", "gzip;q=0": "", "gzip;q=0, *": "", "*, gzip; q=0": "", "*;q=0": "", "gzip;q=x": "",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.web.URL+"/?topic=a", nil)
		require.NoError(t, err)
		r.Header.Set("Accept-Encoding", accepted)
		response, err := s.web.Client().Do(r)
		require.NoError(t, err)
		assert.Equal(t, want, response.Header.Get("Content-Encoding"), accepted)
		assert.Equal(t, "Accept-Encoding", response.Header.Get("Vary"))
		require.NoError(t, response.Body.Close())
	}
}
