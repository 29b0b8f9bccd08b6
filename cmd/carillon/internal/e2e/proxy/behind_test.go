package proxy_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/transport/sse"
)

const (
	proxyHost = "127.0.0.1" // the address from which the proxies connect
	clientA   = "127.0.0.2"
	clientB   = "127.0.0.3"
)

// An event passes through at once: nothing follows it that could push it out of a buffer.
func TestEventPassesProxyAtOnce(t *testing.T) {
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			proxy.ready(t)
			n := startNode(t, "STREAM_HEARTBEAT=1h", "CLOCK_INTERVAL=1h")
			base := "https://" + proxy.start(t, []string{n.Addr})
			for _, version := range []int{1, 2} {
				t.Run(fmt.Sprintf("HTTP %d", version), func(t *testing.T) {
					tr := transport(t, version, clientA)
					s := open(t, tr, base+"/events?topic=news", nil)
					assertStream(t, s, version)
					assert.Equal(t, []string{"no-cache, no-store, no-transform"}, s.head.Header["Cache-Control"])
					for _, data := range []string{"one", "two", strings.Repeat("three", 10_000)} {
						publish(t, tr, base, data)
						assert.Equal(t, data, s.next(t).Data)
					}
				})
			}
		})
	}
}

// The timeouts of the proxies, made short, end a silent stream but not one with heartbeats.
func TestHeartbeatsKeepStreamsThroughProxy(t *testing.T) {
	short := map[string][]edit{
		"nginx":   {{"proxy_read_timeout 60s", "proxy_read_timeout 3s"}},
		"haproxy": {{"timeout client 60s", "timeout client 3s"}, {"timeout server 60s", "timeout server 3s"}},
	}
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			proxy.ready(t)
			edits := short[proxy.name]
			t.Run("without heartbeats", func(t *testing.T) {
				t.Parallel()
				n := startNode(t, "STREAM_HEARTBEAT=1h", "CLOCK_INTERVAL=1h")
				s := open(t, transport(t, 2, clientA), "https://"+proxy.start(t, []string{n.Addr}, edits...)+"/events", nil)
				assertStream(t, s, 2)
				select {
				case _, ok := <-s.events:
					assert.False(t, ok, "an event that nobody published")
				case <-time.After(waitTimeout):
					t.Error("the proxy did not end the stream: the test proves nothing")
				}
			})
			t.Run("with heartbeats", func(t *testing.T) {
				t.Parallel()
				n := startNode(t, "STREAM_HEARTBEAT=1s", "CLOCK_INTERVAL=1h")
				tr := transport(t, 2, clientA)
				base := "https://" + proxy.start(t, []string{n.Addr}, edits...)
				s := open(t, tr, base+"/events?topic=news", nil)
				assertStream(t, s, 2)
				for range 7 { // that of the opening, and at least five seconds of heartbeats
					select {
					case <-s.beats:
					case m := <-s.events:
						require.FailNow(t, "the stream ended, or an event that nobody published", "%+v", m)
					case <-time.After(waitTimeout):
						require.FailNow(t, "no heartbeat arrived")
					}
				}
				publish(t, tr, base, "after the heartbeats")
				assert.Equal(t, "after the heartbeats", s.next(t).Data)
			})
		})
	}
}

// When a client closes its stream to the proxy, the proxy closes its own at once, before a heartbeat could detect it.
func TestClosedStreamIsNoticedThroughProxy(t *testing.T) {
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			proxy.ready(t)
			n := startNode(t, "STREAM_HEARTBEAT=1h", "CLOCK_INTERVAL=1h")
			base := "https://" + proxy.start(t, []string{n.Addr})
			for version := 1; version <= 2; version++ {
				s := open(t, transport(t, version, clientA), base+"/events", nil)
				assertStream(t, s, version)
				s.leave()
				n.AwaitMany(t, version, "the end of a stream", closedBecause("gone"))
			}
		})
	}
}

// The client's address comes from X-Forwarded-For of a trusted proxy, and not from what the client itself or anybody else
// sends.
func TestClientAddressBehindProxy(t *testing.T) {
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			proxy.ready(t)
			forged := http.Header{"X-Forwarded-For": {"203.0.113.9"}}
			t.Run("trusted", func(t *testing.T) {
				n := startNode(t, "HTTP_TRUSTED_PROXIES="+proxyHost, "LIMITS_MAX_STREAMS_PER_IP=1", "CLOCK_INTERVAL=1h")
				base := "https://" + proxy.start(t, []string{n.Addr})
				assertStream(t, open(t, transport(t, 1, clientA), base+"/events", nil), 1)
				assertStream(t, open(t, transport(t, 2, clientB), base+"/events", forged), 2)
				for _, peer := range []string{clientA, clientB} {
					n.Await(t, "a stream of "+peer, openedBy(peer))
				}
				again := open(t, transport(t, 1, clientA), base+"/events", forged)
				assertStream(t, again, 1) // a stream that only ends, because a browser would not reconnect after an error status
				assert.Equal(t, sse.TypeGoaway, again.next(t).Type)

				direct := open(t, transport(t, 1, "127.0.0.4"), "http://"+n.Addr+"/events", forged)
				assertStream(t, direct, 1)
				n.Await(t, "a stream of the direct client", openedBy("127.0.0.4"))
			})
			t.Run("not trusted", func(t *testing.T) {
				n := startNode(t, "LIMITS_MAX_STREAMS_PER_IP=1", "CLOCK_INTERVAL=1h")
				base := "https://" + proxy.start(t, []string{n.Addr})
				assertStream(t, open(t, transport(t, 1, clientA), base+"/events", nil), 1)
				n.Await(t, "a stream of the proxy", openedBy(proxyHost))
				second := open(t, transport(t, 1, clientB), base+"/events", nil)
				assert.Equal(t, sse.TypeGoaway, second.next(t).Type, "all behind the proxy are one address")
			})
		})
	}
}

// A proxy that compresses everything does not delay events: HAProxy does not compress streams (no-transform), and nginx
// compresses each event at once.
func TestCompressionInProxyDelaysNothing(t *testing.T) {
	on := map[string]edit{
		"nginx":   {"server_name events.example.com;", "gzip on; gzip_proxied any; gzip_min_length 0; gzip_types text/event-stream;"},
		"haproxy": {"default_backend carillon", "default_backend carillon\n    compression algo gzip\n    compression type text/event-stream"},
	}
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			proxy.ready(t)
			n := startNode(t, "STREAM_HEARTBEAT=1h", "CLOCK_INTERVAL=1h")
			base := "https://" + proxy.start(t, []string{n.Addr}, on[proxy.name])
			tr := transport(t, 2, clientA)
			ctx, leave := context.WithTimeout(t.Context(), waitTimeout)
			defer leave()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/events?topic=news", http.NoBody)
			require.NoError(t, err)
			req.Header.Set("Accept-Encoding", "gzip")
			resp, err := tr.RoundTrip(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			d := sse.NewDecoder(resp.Body, 1<<20, "")
			if proxy.name == "nginx" {
				require.Equal(t, "gzip", resp.Header.Get("Content-Encoding"))
				plain, err := gzip.NewReader(resp.Body)
				require.NoError(t, err)
				d = sse.NewDecoder(plain, 1<<20, "")
			} else {
				require.Empty(t, resp.Header.Get("Content-Encoding"))
			}
			for _, data := range []string{"one", "two"} {
				publish(t, tr, base, data)
				m, err := d.Next()
				require.NoError(t, err)
				assert.Equal(t, data, m.Data)
			}
		})
	}
}

// While one node stops, new streams go to the other. If there is none, a browser is told to reconnect later.
func TestProxySendsStreamsToANodeThatIsReady(t *testing.T) {
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			proxy.ready(t)
			stopping := startNode(t, "DRAIN_RATE=0", "DRAIN_WINDOW=15s", "DRAIN_TIMEOUT=20s", "CLOCK_INTERVAL=1h")
			staying := startNode(t, "CLOCK_INTERVAL=1h")
			base := "https://" + proxy.start(t, []string{stopping.Addr, staying.Addr})
			// Direct streams, so that the node takes long to stop.
			for range 20 {
				assertStream(t, open(t, transport(t, 1, proxyHost), "http://"+stopping.Addr+"/events", nil), 1)
			}
			stopping.Terminate(t)
			stopping.AwaitMessage(t, "draining")
			awaitHealthCheck(t, stopping.Addr)
			for i := range 40 { // from many addresses, because the proxy assigns each to a node
				s := open(t, transport(t, 1+i%2, fmt.Sprintf("127.0.1.%d", i+1)), base+"/events?topic=news&last=1", nil)
				assertStream(t, s, 1+i%2)
			}
			staying.AwaitMany(t, 40, "all streams", isOpened)

			staying.Stop(t)
			for version := 1; version <= 2; version++ {
				later := open(t, transport(t, version, clientA), base+"/events", nil)
				assertStream(t, later, version)
				m := later.next(t)
				assert.Equal(t, sse.TypeGoaway, m.Type)
				assert.JSONEq(t, `{"reason":"unavailable"}`, m.Data)
			}
		})
	}
}

// awaitHealthCheck checks that a node is not ready and waits until the proxies know: HAProxy checks twice a second.
func awaitHealthCheck(t *testing.T, addr string) {
	t.Helper()
	resp, err := transport(t, 1, proxyHost).RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/readyz", http.NoBody))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	<-time.After(1200 * time.Millisecond)
}

// A subscription that fails on one node is retried on the other. A publish is not, because it may have been published.
func TestProxiesRetryOnlyWhatIsSafe(t *testing.T) {
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			proxy.ready(t)
			var subscriptions, publishes atomic.Int64
			broken := func() string {
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch {
					case r.Method == http.MethodPost:
						publishes.Add(1)
					case r.URL.Path == "/events":
						subscriptions.Add(1)
					default:
						return // healthy
					}
					panic(http.ErrAbortHandler)
				}))
				t.Cleanup(srv.Close)
				return srv.Listener.Addr().String()
			}
			base := "https://" + proxy.start(t, []string{broken(), broken()})
			tr := transport(t, 1, clientA)
			resp, err := tr.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodPost, base+"/events?topic=news", strings.NewReader("once")))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.GreaterOrEqual(t, resp.StatusCode, 500)
			assert.EqualValues(t, 1, publishes.Load())

			resp, err = tr.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, base+"/events", http.NoBody))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.GreaterOrEqual(t, subscriptions.Load(), int64(2))
			assert.Equal(t, http.StatusOK, resp.StatusCode, "a browser is told to reconnect")
		})
	}
}

// Publishes use persistent connections.
func TestProxiesKeepConnectionsForPublishing(t *testing.T) {
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			proxy.ready(t)
			var connections, publishes atomic.Int64
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					publishes.Add(1)
					w.WriteHeader(http.StatusCreated)
				}
			}))
			srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections.Add(1)
				}
			}
			srv.Start()
			t.Cleanup(srv.Close)
			base, tr := "https://"+proxy.start(t, []string{srv.Listener.Addr().String()}), transport(t, 2, clientA)
			for range 200 {
				publish(t, tr, base, "again")
			}
			assert.EqualValues(t, 200, publishes.Load())
			assert.Less(t, connections.Load(), int64(100), "health checks use connections of their own")
		})
	}
}
