package metrics_test

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/presence"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/timefeed"
	"carillon/internal/infra/memlog"
	"carillon/internal/infra/metrics"
)

var golden = flag.Bool("golden", false, "rewrite testdata")

// fakeSources is an engine and a clock with fixed values.
type fakeSources struct {
	draining bool
	logDown  bool
	window   pubsub.WindowInfo
	clock    timefeed.Stats
}

func (q *fakeSources) Window() pubsub.WindowInfo { return q.window }
func (q *fakeSources) Latest() pubsub.LatestInfo { return pubsub.LatestInfo{Topics: 31, Bytes: 32} }
func (q *fakeSources) Draining() bool            { return q.draining }
func (q *fakeSources) LogAvailable() bool        { return !q.logDown }
func (q *fakeSources) Stats() timefeed.Stats     { return q.clock }

func newLog(t testing.TB) *memlog.Log {
	t.Helper()
	log, err := memlog.New(memlog.Config{Events: 20_000, Bytes: 1 << 30, Age: time.Hour, Keys: 1, KeyWindow: time.Minute})
	require.NoError(t, err)
	return log
}

// sharedLog is a log that is on other machines too.
type sharedLog struct{ *memlog.Log }

func (sharedLog) ClockOffset() time.Duration { return -1500 * time.Millisecond }
func (sharedLog) Skipped() uint64            { return 17 }

func newMetrics(t testing.TB, q *fakeSources) *metrics.Metrics {
	t.Helper()
	m := metrics.New(metrics.Build{Version: "1.2.3", Commit: "abc", Go: "go1.26"})
	require.NoError(t, m.Watch(metrics.Sources{
		Engine: q, Log: sharedLog{newLog(t)}, Clock: q,
		Streams: func() []metrics.Transport {
			return []metrics.Transport{{Name: "sse", Open: map[string]int64{"taken_over": 2, "http1": 1}, Bytes: 99}}
		},
		LogRecordsDropped: func() uint64 { return 14 },
		Certificate: func() metrics.Certificate {
			return metrics.Certificate{NotAfter: time.Unix(1_800_000_000, 0), Failures: 15}
		},
		Presence: func() presence.Stats {
			return presence.Stats{Topics: 21, Members: 22, Nodes: 23, Sent: 24, Received: 25}
		},
	}))
	return m
}

// scrape returns the metrics in the text format.
func scrape(t testing.TB, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	return w.Body.String()
}

// value returns the value of a series.
func value(t testing.TB, text, series string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, "carillon_"+series+" "); found {
			return strings.TrimSpace(rest)
		}
	}
	require.Fail(t, "no series "+series)
	return ""
}

func everything(m *metrics.Metrics) {
	m.Published(3, 300)
	m.Delivered(7, 3*time.Millisecond)
	m.Replayed(5)
	m.Opened()
	m.Opened()
	m.Ended(pubsub.EndSlow)
	m.Ended("rust")
	m.Reset(pubsub.ResetExpired)
	m.Ticked(2 * time.Millisecond)
	m.PublishRefused("too_large")
	m.StreamRefused("stream_limit")
	m.AuthFailed("token_expired")
}

func TestCounts(t *testing.T) {
	q := &fakeSources{
		window: pubsub.WindowInfo{Events: 4, Bytes: 400, Age: 1500 * time.Millisecond},
		clock:  timefeed.Stats{Ticks: 11, Skipped: 12, Failed: 13},
	}
	m := newMetrics(t, q)
	everything(m)
	text := scrape(t, m)
	for series, want := range map[string]string{
		"log_clock_offset_seconds":                        "-1.5",
		"log_messages_skipped_total":                      "17",
		"events_published_total":                          "3",
		"published_bytes_total":                           "300",
		`deliveries_total{mode="live"}`:                   "7",
		`deliveries_total{mode="replay"}`:                 "5",
		"delivery_lag_seconds_count":                      "1",
		"delivery_lag_seconds_sum":                        "0.003",
		"clock_tick_lateness_seconds_sum":                 "0.002",
		"streams_opened_total":                            "2",
		`streams_ended_total{reason="slow"}`:              "1",
		`streams_ended_total{reason="gone"}`:              "0",
		`streams_ended_total{reason="other"}`:             "1",
		`resets_total{reason="expired"}`:                  "1",
		`publishes_refused_total{reason="too_large"}`:     "1",
		`streams_refused_total{reason="stream_limit"}`:    "1",
		`auth_failures_total{reason="token_expired"}`:     "1",
		`streams_open{path="taken_over",transport="sse"}`: "2",
		`streams_open{path="http1",transport="sse"}`:      "1",
		`stream_written_bytes_total{transport="sse"}`:     "99",
		"draining":                  "0",
		"window_events":             "4",
		"window_bytes":              "400",
		"window_oldest_age_seconds": "1.5",
		"history_events":            "0",
		"log_records_dropped_total": "14",
		"tls_certificate_not_after_timestamp_seconds":                 "1.8e+09",
		"tls_certificate_renewal_failures_total":                      "15",
		"presence_watched_topics":                                     "21",
		"presence_members":                                            "22",
		"latest_index_topics":                                         "31",
		"latest_index_bytes":                                          "32",
		"presence_nodes":                                              "23",
		"presence_messages_sent_total":                                "24",
		"presence_messages_received_total":                            "25",
		"history_bytes":                                               "0",
		"history_oldest_age_seconds":                                  "0",
		"clock_ticks_total":                                           "11",
		"clock_ticks_skipped_total":                                   "12",
		"clock_ticks_failed_total":                                    "13",
		`build_info{commit="abc",goversion="go1.26",version="1.2.3"}`: "1",
	} {
		assert.Equal(t, want, value(t, text, series), series)
	}
	q.draining = true
	assert.Equal(t, "1", value(t, scrape(t, m), "draining"))
	q.logDown = true
	assert.Equal(t, "0", value(t, scrape(t, m), "log_available"))
}

// Every reason of the engine has a counter of its own and is not counted as "other".
func TestEveryReasonIsKnown(t *testing.T) {
	ends := []pubsub.EndReason{
		pubsub.EndGone, pubsub.EndFailed, pubsub.EndDead, pubsub.EndSlow, pubsub.EndExpired, pubsub.EndDrain, pubsub.EndClosed, pubsub.EndRights,
	}
	resets := []pubsub.ResetReason{
		pubsub.ResetExpired, pubsub.ResetEpoch, pubsub.ResetMalformed, pubsub.ResetFuture, pubsub.ResetSlow,
	}
	m := newMetrics(t, &fakeSources{})
	for _, why := range ends {
		m.Ended(why)
	}
	for _, why := range resets {
		m.Reset(why)
	}
	text := scrape(t, m)
	for _, why := range ends {
		assert.Equal(t, "1", value(t, text, fmt.Sprintf("streams_ended_total{reason=%q}", why)))
	}
	for _, why := range resets {
		assert.Equal(t, "1", value(t, text, fmt.Sprintf("resets_total{reason=%q}", why)))
	}
}

func TestPrometheusHasNoComplaints(t *testing.T) {
	m := newMetrics(t, &fakeSources{})
	everything(m)
	problems, err := promlint.New(strings.NewReader(scrape(t, m))).Lint()
	require.NoError(t, err)
	assert.Empty(t, problems)
}

// Dashboards and alerts depend on the names: a change must be deliberate.
func TestNames(t *testing.T) {
	m := newMetrics(t, &fakeSources{})
	everything(m)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(scrape(t, m)))
	require.NoError(t, err)
	assert.Contains(t, families, "go_goroutines")
	assert.Contains(t, families, "process_open_fds")
	var list strings.Builder
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if !strings.HasPrefix(name, "carillon_") {
			continue
		}
		labels := map[string]bool{}
		for _, series := range families[name].GetMetric() {
			for _, label := range series.GetLabel() {
				labels[label.GetName()] = true
			}
		}
		fmt.Fprintf(&list, "%s %s %s\n", name, strings.ToLower(families[name].GetType().String()), strings.Join(slices.Sorted(maps.Keys(labels)), ","))
	}
	got := strings.ReplaceAll(list.String(), " \n", "\n")
	if *golden {
		require.NoError(t, os.WriteFile("testdata/names.txt", []byte(got), 0o600))
	}
	want, err := os.ReadFile("testdata/names.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "run the test with -golden if this is meant")
}

// A log that does not report how much it keeps has no series for it.
func TestLogThatTellsLess(t *testing.T) {
	m := metrics.New(metrics.Build{})
	require.NoError(t, m.Watch(metrics.Sources{
		Engine: &fakeSources{}, Log: struct{ pubsub.Log }{newLog(t)}, Clock: &fakeSources{},
		Streams: func() []metrics.Transport { return nil },
	}))
	text := scrape(t, m)
	assert.Contains(t, text, "carillon_history_events 0")
	assert.NotContains(t, text, "carillon_history_bytes")
	assert.NotContains(t, text, "carillon_log_clock_offset_seconds")
	assert.NotContains(t, text, "carillon_tls_", "there is no certificate")
}
