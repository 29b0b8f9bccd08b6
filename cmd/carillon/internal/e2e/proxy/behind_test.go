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
	here  = "127.0.0.1" // where the proxies connect from, too
	there = "127.0.0.2" // clients elsewhere
	away  = "127.0.0.3"
)

// An event goes through at once: nothing comes after it that could push it out of a buffer.
func TestAnEventArrivesThroughTheProxyAtOnce(t *testing.T) {
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			proxy.ready(t)
			n := startNode(t, "STREAM_HEARTBEAT=1h", "CLOCK_INTERVAL=1h")
			base := "https://" + proxy.start(t, []string{n.addr})
			for _, version := range []int{1, 2} {
				t.Run(fmt.Sprintf("HTTP %d", version), func(t *testing.T) {
					tr := transport(t, version, there)
					s := open(t, tr, base+"/events?topic=news", nil)
					isStream(t, s, version)
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

// The proxies' own limits on silence, made short, cut a silent stream, and one with heartbeats never.
func TestHeartbeatsSurviveTheProxysTimeout(t *testing.T) {
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
				s := open(t, transport(t, 2, there), "https://"+proxy.start(t, []string{n.addr}, edits...)+"/events", nil)
				isStream(t, s, 2)
				select {
				case _, ok := <-s.events:
					assert.False(t, ok, "an event came from nowhere")
				case <-time.After(patience):
					t.Error("nothing cut the stream: this test proves nothing")
				}
			})
			t.Run("with heartbeats", func(t *testing.T) {
				t.Parallel()
				n := startNode(t, "STREAM_HEARTBEAT=1s", "CLOCK_INTERVAL=1h")
				tr := transport(t, 2, there)
				base := "https://" + proxy.start(t, []string{n.addr}, edits...)
				s := open(t, tr, base+"/events?topic=news", nil)
				isStream(t, s, 2)
				for range 7 { // the opening's, and at least five seconds of heartbeats
					select {
					case <-s.beats:
					case m := <-s.events:
						require.FailNow(t, "the stream ended, or brought what nobody published", "%+v", m)
					case <-time.After(patience):
						require.FailNow(t, "no heartbeat came")
					}
				}
				publish(t, tr, base, "still there?")
				assert.Equal(t, "still there?", s.next(t).Data)
			})
		})
	}
}

// A client that leaves the proxy leaves Carillon too, long before a heartbeat could find out.
func TestAClientsLeavingReachesUsThroughTheProxy(t *testing.T) {
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			proxy.ready(t)
			n := startNode(t, "STREAM_HEARTBEAT=1h", "CLOCK_INTERVAL=1h")
			base := "https://" + proxy.start(t, []string{n.addr})
			for version := 1; version <= 2; version++ {
				s := open(t, transport(t, version, there), base+"/events", nil)
				isStream(t, s, version)
				s.leave()
				n.awaitMany(t, version, "a stream's end", func(r record) bool { return r.Msg == "stream closed" && r.Reason == "gone" })
			}
		})
	}
}

// The address a trusted proxy tells is the client's. What the client wrote itself, or anybody else says, is not.
func TestClientAddressBehindTheProxy(t *testing.T) {
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			proxy.ready(t)
			forged := http.Header{"X-Forwarded-For": {"203.0.113.9"}}
			t.Run("trusted", func(t *testing.T) {
				n := startNode(t, "HTTP_TRUSTED_PROXIES="+here, "LIMITS_MAX_STREAMS_PER_IP=1", "CLOCK_INTERVAL=1h")
				base := "https://" + proxy.start(t, []string{n.addr})
				isStream(t, open(t, transport(t, 1, there), base+"/events", nil), 1)
				isStream(t, open(t, transport(t, 2, away), base+"/events", forged), 2)
				for _, peer := range []string{there, away} {
					n.await(t, "a stream of "+peer, func(r record) bool { return r.Msg == "stream opened" && r.Peer == peer })
				}
				again := open(t, transport(t, 1, there), base+"/events", forged)
				isStream(t, again, 1) // a stream, since a browser would take a status for the end, that only says
				assert.Equal(t, sse.TypeGoaway, again.next(t).Type)

				direct := open(t, transport(t, 1, "127.0.0.4"), "http://"+n.addr+"/events", forged)
				isStream(t, direct, 1)
				n.await(t, "a stream of the one that came by itself", func(r record) bool { return r.Msg == "stream opened" && r.Peer == "127.0.0.4" })
			})
			t.Run("not trusted", func(t *testing.T) {
				n := startNode(t, "LIMITS_MAX_STREAMS_PER_IP=1", "CLOCK_INTERVAL=1h")
				base := "https://" + proxy.start(t, []string{n.addr})
				isStream(t, open(t, transport(t, 1, there), base+"/events", nil), 1)
				n.await(t, "a stream of the proxy", func(r record) bool { return r.Msg == "stream opened" && r.Peer == here })
				second := open(t, transport(t, 1, away), base+"/events", nil)
				assert.Equal(t, sse.TypeGoaway, second.next(t).Type, "all behind the proxy are one address")
			})
		})
	}
}

// A proxy that compresses everything does not hold events back: HAProxy leaves streams alone (no-transform), nginx
// compresses each event as it comes.
func TestCompressionInTheProxyHoldsNothingBack(t *testing.T) {
	on := map[string]edit{
		"nginx":   {"server_name events.example.com;", "gzip on; gzip_proxied any; gzip_min_length 0; gzip_types text/event-stream;"},
		"haproxy": {"default_backend carillon", "default_backend carillon\n    compression algo gzip\n    compression type text/event-stream"},
	}
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			proxy.ready(t)
			n := startNode(t, "STREAM_HEARTBEAT=1h", "CLOCK_INTERVAL=1h")
			base := "https://" + proxy.start(t, []string{n.addr}, on[proxy.name])
			tr := transport(t, 2, there)
			ctx, leave := context.WithTimeout(t.Context(), patience)
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

// While one node stops, new streams are led to the other; where there is none, a browser is told to come back.
func TestStreamsAreLedToANodeThatTakesThem(t *testing.T) {
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			proxy.ready(t)
			stopping := startNode(t, "DRAIN_WINDOW=15s", "DRAIN_TIMEOUT=20s", "CLOCK_INTERVAL=1h")
			staying := startNode(t, "CLOCK_INTERVAL=1h")
			base := "https://" + proxy.start(t, []string{stopping.addr, staying.addr})
			// Streams of the node's own, so that it is long in stopping.
			for range 20 {
				isStream(t, open(t, transport(t, 1, here), "http://"+stopping.addr+"/events", nil), 1)
			}
			stopping.stop(t)
			stopping.await(t, "that it drains", func(r record) bool { return r.Msg == "draining" })
			unready(t, stopping.addr)
			for i := range 40 { // of many addresses, since each belongs to one of the nodes
				s := open(t, transport(t, 1+i%2, fmt.Sprintf("127.0.1.%d", i+1)), base+"/events?topic=news&last=1", nil)
				isStream(t, s, 1+i%2)
			}
			staying.awaitMany(t, 40, "all streams", func(r record) bool { return r.Msg == "stream opened" })

			staying.stop(t)
			staying.wait(t)
			for version := 1; version <= 2; version++ {
				later := open(t, transport(t, version, there), base+"/events", nil)
				isStream(t, later, version)
				m := later.next(t)
				assert.Equal(t, sse.TypeGoaway, m.Type)
				assert.JSONEq(t, `{"reason":"unavailable"}`, m.Data)
			}
		})
	}
}

// unready waits until a node's health is asked for again: HAProxy asks twice a second.
func unready(t *testing.T, addr string) {
	t.Helper()
	resp, err := transport(t, 1, here).RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/readyz", http.NoBody))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	<-time.After(1200 * time.Millisecond)
}

// A subscription that met a broken node is repeated with the other. A publish is not: it may have been published.
func TestProxiesRepeatOnlyWhatIsSafe(t *testing.T) {
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
			tr := transport(t, 1, there)
			resp, err := tr.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodPost, base+"/events?topic=news", strings.NewReader("once")))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.GreaterOrEqual(t, resp.StatusCode, 500)
			assert.EqualValues(t, 1, publishes.Load())

			resp, err = tr.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, base+"/events", http.NoBody))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.GreaterOrEqual(t, subscriptions.Load(), int64(2))
			assert.Equal(t, http.StatusOK, resp.StatusCode, "a browser is told to come back")
		})
	}
}

// Publishes go over connections that are kept.
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
			base, tr := "https://"+proxy.start(t, []string{srv.Listener.Addr().String()}), transport(t, 2, there)
			for range 200 {
				publish(t, tr, base, "again")
			}
			assert.EqualValues(t, 200, publishes.Load())
			assert.Less(t, connections.Load(), int64(100), "health checks have connections of their own")
		})
	}
}
