// Package metrics exports metrics to Prometheus. No other package depends on Prometheus.
//
// Guarantees: all names begin with carillon_, except those of the Go runtime and the process; every label has few
// values, independent of the number of topics and clients; no label and no help text contains data of a client.
// Counting costs one or two atomic additions. What other parts count already is read at each scrape.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// Build identifies the running program.
type Build struct{ Version, Commit, Go string }

// Metrics are the server's metrics. It observes the engine and the HTTP interface; its methods may be called
// concurrently.
type Metrics struct {
	registry *prometheus.Registry

	published, publishedBytes prometheus.Counter
	live, replayed            prometheus.Counter
	lag, lateness             prometheus.Histogram
	opened                    prometheus.Counter
	ended, resets             reasons

	logReplaced, logOvertook, readsFailed prometheus.Counter

	publishesRefused, streamsRefused, authFailures *prometheus.CounterVec
}

var _ pubsub.Observer = (*Metrics)(nil)

// New returns metrics, all zero, in a registry of their own.
func New(build Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	deliveries := m.counters("deliveries_total", "Events handed to streams, at the head of the log (live) or while they catch up (replay).", "mode")
	m.published = m.counter("events_published_total", "Events acknowledged to their publishers, including those with repeated keys.")
	m.publishedBytes = m.counter("published_bytes_total", "Bytes of memory that published events take, overhead included.")
	m.live = deliveries.WithLabelValues("live")
	m.replayed = deliveries.WithLabelValues("replay")
	m.lag = m.histogram("delivery_lag_seconds",
		"From publishing to having written to every stream of a shard; one observation for each batch, of the oldest event in it.",
		prometheus.ExponentialBuckets(50e-6, 2, 18)) // 50 µs to 6.5 s
	m.lateness = m.histogram("clock_tick_lateness_seconds", "From the time a tick shows to when it came.",
		prometheus.ExponentialBuckets(100e-6, 4, 9)) // 100 µs to 6.5 s
	m.opened = m.counter("streams_opened_total", "Streams that began.")
	m.ended = newReasons(m.counters("streams_ended_total", "Streams that ended; slow means that the client read too slowly for the window.", "reason"),
		pubsub.EndGone, pubsub.EndFailed, pubsub.EndDead, pubsub.EndSlow, pubsub.EndExpired, pubsub.EndDrain, pubsub.EndClosed, pubsub.EndRights,
		pubsub.EndAnswered)
	m.resets = newReasons(m.counters("resets_total", "Times a client was told that events may be missing.", "reason"),
		pubsub.ResetExpired, pubsub.ResetEpoch, pubsub.ResetMalformed, pubsub.ResetFuture, pubsub.ResetSlow)
	m.logReplaced = m.counter("log_replaced_total", "Times another log took the place of the one in use; each resets all streams.")
	m.logOvertook = m.counter("log_overtook_total", "Events that the log trimmed before this node received them.")
	m.readsFailed = m.counter("log_reads_failed_total", "Reads of the history that failed although the log was available.")
	m.publishesRefused = m.counters("publishes_refused_total", "Requests to publish that were refused, by the problem's code.", "reason")
	m.streamsRefused = m.counters("streams_refused_total", "Requests to subscribe that were refused, by the problem's code.", "reason")
	// The reasons that alerts are about exist from the start, so that an increase includes the first refusal.
	m.publishesRefused.WithLabelValues("log_unavailable")
	m.publishesRefused.WithLabelValues("unknown_outcome")
	m.streamsRefused.WithLabelValues("stream_limit")
	m.authFailures = m.counters("auth_failures_total", "Requests that lacked the right to what they asked for, by the problem's code.", "reason")

	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: prefix + "build_info", Help: "Always 1; the labels say what is running.",
	}, []string{"version", "commit", "goversion"})
	info.WithLabelValues(build.Version, build.Commit, build.Go).Set(1)
	m.registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler returns the handler for scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: maxScrapes,
	})
}

// maxScrapes bounds concurrent scrapes.
const maxScrapes = 4

// Published implements [pubsub.Observer].
func (m *Metrics) Published(events, bytes int) {
	m.published.Add(float64(events))
	m.publishedBytes.Add(float64(bytes))
}

// Delivered implements [pubsub.Observer].
func (m *Metrics) Delivered(events int, lag time.Duration) {
	m.live.Add(float64(events))
	m.lag.Observe(lag.Seconds())
}

// Replayed implements [pubsub.Observer].
func (m *Metrics) Replayed(events int) { m.replayed.Add(float64(events)) }

// Opened implements [pubsub.Observer].
func (m *Metrics) Opened() { m.opened.Inc() }

// Ended implements [pubsub.Observer].
func (m *Metrics) Ended(why pubsub.EndReason) { m.ended.count(string(why)) }

// Reset implements [pubsub.Observer].
func (m *Metrics) Reset(reason pubsub.ResetReason) { m.resets.count(string(reason)) }

// LogUnavailable implements [pubsub.Observer]. The state is read at each scrape.
func (m *Metrics) LogUnavailable(error) {}

// LogAvailable implements [pubsub.Observer].
func (m *Metrics) LogAvailable(time.Duration) {}

// ReadFailed implements [pubsub.Observer].
func (m *Metrics) ReadFailed(error) { m.readsFailed.Inc() }

// LogReplaced implements [pubsub.Observer].
func (m *Metrics) LogReplaced(event.Epoch, event.Epoch) { m.logReplaced.Inc() }

// LogOvertook implements [pubsub.Observer].
func (m *Metrics) LogOvertook(entries uint64) { m.logOvertook.Add(float64(entries)) }

// Ticked records how late a tick of the clock was.
func (m *Metrics) Ticked(late time.Duration) { m.lateness.Observe(late.Seconds()) }

// PublishRefused counts a request to publish that was refused. The code is one of a fixed few.
func (m *Metrics) PublishRefused(code string) { m.publishesRefused.WithLabelValues(code).Inc() }

// StreamRefused counts a request to subscribe that was refused, likewise.
func (m *Metrics) StreamRefused(code string) { m.streamsRefused.WithLabelValues(code).Inc() }

// AuthFailed counts a request that lacked the right to what it asked for, likewise.
func (m *Metrics) AuthFailed(code string) { m.authFailures.WithLabelValues(code).Inc() }
