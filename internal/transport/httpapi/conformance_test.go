package httpapi_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/eventtest"
	"carillon/internal/transport/jsonevent"
)

// These tests are the promises that hold over every transport.

func TestEveryTransportDeliversEventsAsTheyWerePublished(t *testing.T) {
	everyTransport(t, func(t *testing.T, how transport, path func(*settings)) {
		s := serve(t, path)
		f := how.must(s, "topic=a&topic=b/*")
		for i, text := range eventtest.Hostile {
			published := s.post("topic=other&topic=b/1&topic=a&type=t&retry=1500", text)
			require.Equal(t, http.StatusCreated, published.status, published.body)
			e := f.next()
			want := jsonevent.Event{ID: idOf(t, published), Topics: []string{"b/1", "a"}, Type: "t", Data: normal(text), Retry: 1500, Time: e.Time}
			require.Equal(t, want, e, i)
			require.WithinDuration(t, time.Now(), e.Time, time.Minute)
			require.Equal(t, want.ID, f.position())
			s.post("topic=c", "not for this subscription")
		}
	})
}

// normal returns text as the server keeps it.
func normal(text string) string {
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
}

func TestEveryTransportResumes(t *testing.T) {
	everyTransport(t, func(t *testing.T, how transport, path func(*settings)) {
		s := serve(t, path)
		f := how.must(s, "topic=a")
		s.post("topic=a", "1")
		assert.Equal(t, "1", f.next().Data)
		f.close()
		s.post("topic=b", "other")
		s.post("topic=a", "2")
		s.post("topic=a", "3")
		again := how.must(s, "topic=a&last_event_id="+f.position())
		assert.Equal(t, "2", again.next().Data)
		assert.Equal(t, "3", again.next().Data)
		byHeader := how.must(s, "topic=a&last=7", "Last-Event-ID", again.position())
		s.post("topic=a", "4")
		assert.Equal(t, "4", byHeader.next().Data, "the header counts before the query")
		assert.Equal(t, "4", how.must(s, "topic=a&last=1").next().Data)
		assert.Equal(t, "1", how.must(s, "topic=a&since=1h").next().Data)
	})
}

func TestEveryTransportTellsWhatIsMissing(t *testing.T) {
	everyTransport(t, func(t *testing.T, how transport, path func(*settings)) {
		s := serve(t, path, func(s *settings) { s.history = 5 })
		first := idOf(t, s.post("topic=a", "0"))
		for i := 1; i < 20; i++ {
			s.post("topic=a", fmt.Sprint(i))
		}
		for requested, reason := range map[string]string{first: "expired", "nonsense": "malformed", "another-7": "epoch"} {
			f := how.must(s, "topic=a&last_event_id="+requested)
			e := f.next()
			assert.Equal(t, "carillon.reset", e.Type)
			assert.Contains(t, e.Data, `"reason":"`+reason+`"`)
			assert.NotEmpty(t, e.ID, "the position from which the stream continues")
			if reason != "malformed" {
				assert.Equal(t, "15", f.next().Data)
			}
			f.close()
		}
	})
}

func TestEveryTransportSaysWhyItEnds(t *testing.T) {
	everyTransport(t, func(t *testing.T, how transport, path func(*settings)) {
		for _, reason := range []pubsub.EndReason{pubsub.EndDrain, pubsub.EndRights, pubsub.EndExpired} {
			s := serve(t, path, func(s *settings) {
				s.engine.Heartbeat = 500 * time.Millisecond
				s.auth.rights["short"] = access.Rights{Subscribe: grant("**"), Expires: time.Now().Add(time.Second)}
			})
			f := how.must(s, "topic=a", map[bool][]string{true: {"Authorization", "Bearer short"}}[reason == pubsub.EndExpired]...)
			var reading sync.WaitGroup
			reading.Go(func() {
				e := f.next()
				assert.Equal(t, string(reason), reasonIn(t, e))
				assert.GreaterOrEqual(t, e.Retry, int64(2000))
				f.ends()
			})
			eventually(t, "the stream", func() bool { return s.engine.Streams() == 1 })
			switch reason {
			case pubsub.EndDrain:
				assert.NoError(t, s.engine.Drain(t.Context(), 0))
			case pubsub.EndRights:
				_, err := s.engine.End(t.Context(), reason, func(pubsub.Subscription) bool { return true })
				assert.NoError(t, err)
			default: // the token expires by itself
			}
			reading.Wait()
		}
	})
}

func TestEveryTransportRefuses(t *testing.T) {
	everyTransport(t, func(t *testing.T, how transport, path func(*settings)) {
		s := serve(t, path, func(s *settings) { s.limits.MaxStreams = 1 })
		for query, want := range map[string]string{
			"topic=a**": "invalid_topic", "topic=a&last=x": "invalid_last", "topic=a&since=x": "invalid_since", "topic=a&presence=x": "invalid_presence",
		} {
			_, refused := how.open(s, query)
			assert.Equal(t, want, refused, query)
		}
		for token, want := range map[string]string{"nonsense": "token_invalid", tokenExpired: "token_expired", tokenOrders: "forbidden"} {
			_, refused := how.open(s, "topic=a", "Authorization", "Bearer "+token)
			assert.Equal(t, want, refused)
		}
		open := s.open("/events?topic=a", "Accept", eventStream)
		eventually(t, "the only stream there may be", func() bool { return s.engine.Streams() == 1 })
		_, refused := how.open(s, "topic=a")
		assert.Contains(t, []string{"stream_limit", "limit"}, refused)
		open.close()
	})
}

func TestEveryTransportChecksTheRightsOfEachEvent(t *testing.T) {
	everyTransport(t, func(t *testing.T, how transport, path func(*settings)) {
		s := serve(t, path)
		f := how.must(s, "topic=**", "Authorization", "Bearer "+tokenOrders)
		s.post("topic=secret", "no")
		s.post("topic=secret&topic=orders/1&topic=orders/2", "some of it")
		e := f.next()
		assert.Equal(t, "some of it", e.Data)
		assert.Equal(t, []string{"orders/1", "orders/2"}, e.Topics)
	})
}

// A client that does not read delays neither publishers nor other clients, and misses nothing silently: it gets the rest,
// or is sent away and resumes.
func TestEveryTransportHasSlowReaders(t *testing.T) {
	everyTransport(t, func(t *testing.T, how transport, path func(*settings)) {
		const events = 16
		s := serve(t, path, func(s *settings) {
			s.stream.WriteTimeout, s.sockets.WriteTimeout = time.Minute, time.Minute
			s.engine.Window.Events, s.limits.BatchBytes = 1<<16, 64<<20
		})
		slow, fast := how.must(s, "topic=a"), how.must(s, "topic=a")
		data := strings.Repeat("x", 512<<10)
		start := time.Now()
		for i := range events {
			require.Equal(t, http.StatusCreated, s.post("topic=a", fmt.Sprint(i, data)).status)
			assert.Equal(t, fmt.Sprint(i, data), fast.next().Data)
		}
		assert.Less(t, time.Since(start), waitTimeout)
		for i := range events {
			require.Equal(t, fmt.Sprint(i, data), slow.next().Data)
		}
	})
}

// Clients of all transports that come, leave at any moment and resume, while the log goes away now and then, get every event
// once, in the order of the log, and see the same.
func TestEveryTransportUnderChaos(t *testing.T) {
	const events, topics = 700, 4
	for path, change := range map[string]func(*settings){"taken over": func(*settings) {}, "HTTP/2": func(s *settings) { s.secure = true }} {
		t.Run(path, func(t *testing.T) {
			faults := &faultyLog{}
			s := serve(t, change, func(s *settings) {
				s.engine.Window.Events = 100
				s.log = func(l pubsub.Log) pubsub.Log { faults.Log = l; return faults }
			})
			type wanted struct{ id, data string }
			var log []wanted
			var publishing, following sync.WaitGroup
			published := make(chan struct{})
			start := how(t, "lines").must(s, "topic=**").(*streamed).at
			publishing.Go(func() {
				defer close(published)
				random := rand.New(rand.NewPCG(1, 2))
				for i := range events {
					query := url.Values{}
					for topic := range topics {
						if random.IntN(2) == 0 || topic == i%topics {
							query.Add("topic", fmt.Sprintf("t/%d", topic))
						}
					}
					if i%250 == 249 { // the log goes away for a moment
						faults.goAway()
						assert.Equal(t, http.StatusServiceUnavailable, s.post(query.Encode(), "lost").status)
						faults.fault.Store(nil)
					}
					a := s.post(query.Encode(), fmt.Sprint(i))
					for a.status == http.StatusServiceUnavailable {
						<-time.After(20 * time.Millisecond)
						a = s.post(query.Encode(), fmt.Sprint(i))
					}
					log = append(log, wanted{idOf(t, a), fmt.Sprint(i)})
				}
			})
			got := make([][]wanted, len(transports()))
			for n, how := range transports() {
				following.Go(func() {
					random := rand.New(rand.NewPCG(3, uint64(n)))
					at := start
					for len(got[n]) < events {
						f := how.must(s, "topic=t/*&last_event_id="+at)
						for range 1 + random.IntN(150) {
							if len(got[n]) == events {
								break
							}
							e := f.next()
							got[n] = append(got[n], wanted{e.ID, e.Data})
						}
						at = f.position()
						f.close()
					}
				})
			}
			<-published
			publishing.Wait()
			following.Wait()
			for n, how := range transports() {
				require.Equal(t, log, got[n], how.name)
			}
		})
	}
}

// how returns a transport by its name.
func how(t *testing.T, name string) transport {
	t.Helper()
	for _, candidate := range transports() {
		if candidate.name == name {
			return candidate
		}
	}
	require.Fail(t, "no such transport")
	return transport{}
}
