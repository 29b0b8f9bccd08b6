package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"carillon/internal/app/presence"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/timefeed"
)

// Sources are read at each scrape. None of them may block.
type Sources struct {
	Engine  Engine
	Log     pubsub.Log
	Clock   Clock
	Streams func() []Transport // of each transport

	Presence func() presence.Stats // nil means no such metrics

	LogRecordsDropped func() uint64      // log records that were dropped; nil means no such metric
	Certificate       func() Certificate // nil without TLS
}

// Certificate is the state of the server's certificate.
type Certificate struct {
	NotAfter time.Time // the end of the one in use
	Failures uint64    // renewals that could not be used
}

// Transport is what the streams of one transport are doing.
type Transport struct {
	Name  string
	Open  map[string]int64 // streams that are open, by how they are written
	Bytes int64            // written since the start, framing included
}

// Engine is the part of the engine that is read at each scrape.
type Engine interface {
	Window() pubsub.WindowInfo
	Latest() pubsub.LatestInfo
	Draining() bool
	LogAvailable() bool
}

// Clock is the part of the clock that is read at each scrape.
type Clock interface{ Stats() timefeed.Stats }

// sizedLog is a log that reports how much it keeps.
type sizedLog interface {
	Kept() (bytes int64, age time.Duration)
}

// sharedLog is a log on other machines, which other programs can write to.
type sharedLog interface {
	ClockOffset() time.Duration // how far the clock of this node is ahead of the log's
	Skipped() uint64            // messages that were skipped because they are no events
}

// Watch registers the metrics of the sources. It must be called at most once.
func (m *Metrics) Watch(sources Sources) error {
	s := &state{sources: sources}
	s.streams = s.desc("streams_open", "Streams that are open, by transport and by how they are written.", "transport", "path")
	s.written = s.desc("stream_written_bytes_total", "Bytes written to streams, framing included, by transport.", "transport")
	s.draining = s.desc("draining", "1 while the server is stopping and takes no streams, else 0.")
	s.logAvailable = s.desc("log_available", "1 while the log of events can be reached and takes events, else 0.")
	s.windowEvents = s.desc("window_events", "Events in the window that streams are fed from.")
	s.windowBytes = s.desc("window_bytes", "Bytes of the events in the window, as window.bytes counts them.")
	s.windowAge = s.desc("window_oldest_age_seconds", "Age of the oldest event in the window; 0 when there is none.")
	s.latestTopics = s.desc("latest_index_topics", "Topics in the index of the newest events.")
	s.latestBytes = s.desc("latest_index_bytes", "Bytes that the index of the newest events takes, about.")
	s.historyEvents = s.desc("history_events", "Events that the log keeps for clients that resume.")
	if sources.LogRecordsDropped != nil {
		s.recordsDropped = s.desc("log_records_dropped_total", "Log records that were dropped because the output did not take them in time.")
	}
	s.ticks = s.desc("clock_ticks_total", "Ticks of the clock.")
	s.ticksSkipped = s.desc("clock_ticks_skipped_total", "Ticks that were skipped because the server was suspended or the wall clock jumped.")
	s.ticksFailed = s.desc("clock_ticks_failed_total", "Ticks that could not be published.")
	if _, ok := sources.Log.(sizedLog); ok {
		s.historyBytes = s.desc("history_bytes", "Bytes of the events in the history, as history.bytes counts them.")
		s.historyAge = s.desc("history_oldest_age_seconds", "Age of the oldest event in the history; 0 when there is none.")
	}
	if _, ok := sources.Log.(sharedLog); ok {
		s.clockOffset = s.desc("log_clock_offset_seconds", "How far the clock of this node is ahead of that of the log's server.")
		s.skipped = s.desc("log_messages_skipped_total", "Messages of other programs in the log that were skipped because they are no events.")
	}
	if sources.Certificate != nil {
		s.certificateEnd = s.desc("tls_certificate_not_after_timestamp_seconds", "When the certificate in use ends, as a Unix time.")
		s.certificateFailures = s.desc("tls_certificate_renewal_failures_total", "Times the files of the certificate changed to something that cannot be used.")
	}
	if sources.Presence != nil {
		s.presenceTopics = s.desc("presence_watched_topics", "Topics whose presence a stream of this node watches.")
		s.presenceMembers = s.desc("presence_members", "Members of the topics whose presence is watched, each counted once for each topic.")
		s.presenceNodes = s.desc("presence_nodes", "Other nodes that presence was heard from lately.")
		s.presenceSent = s.desc("presence_messages_sent_total", "Presence messages sent to other nodes.")
		s.presenceReceived = s.desc("presence_messages_received_total", "Presence messages received from other nodes.")
	}
	return m.registry.Register(s)
}

// state collects the metrics of the sources.
type state struct {
	sources Sources
	descs   []*prometheus.Desc

	latestTopics, latestBytes *prometheus.Desc

	streams, written, draining              *prometheus.Desc
	logAvailable                            *prometheus.Desc
	windowEvents, windowBytes, windowAge    *prometheus.Desc
	historyEvents, historyBytes, historyAge *prometheus.Desc
	clockOffset, skipped                    *prometheus.Desc
	recordsDropped                          *prometheus.Desc
	ticks, ticksSkipped, ticksFailed        *prometheus.Desc
	certificateEnd, certificateFailures     *prometheus.Desc

	presenceTopics, presenceMembers, presenceNodes, presenceSent, presenceReceived *prometheus.Desc
}

func (s *state) desc(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc(prefix+name, help, labels, nil)
	s.descs = append(s.descs, d)
	return d
}

// Describe implements [prometheus.Collector].
func (s *state) Describe(out chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (s *state) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counter := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
	}
	for _, transport := range s.sources.Streams() {
		for path, streams := range transport.Open {
			gauge(s.streams, float64(streams), transport.Name, path)
		}
		counter(s.written, float64(transport.Bytes), transport.Name)
	}
	gauge(s.draining, number(s.sources.Engine.Draining()))
	gauge(s.logAvailable, number(s.sources.Engine.LogAvailable()))

	window := s.sources.Engine.Window()
	gauge(s.windowEvents, float64(window.Events))
	gauge(s.windowBytes, float64(window.Bytes))
	gauge(s.windowAge, window.Age.Seconds())

	latest := s.sources.Engine.Latest()
	gauge(s.latestTopics, float64(latest.Topics))
	gauge(s.latestBytes, float64(latest.Bytes))

	extent := s.sources.Log.Extent()
	gauge(s.historyEvents, float64(extent.Newest+1-extent.Oldest))
	if log, ok := s.sources.Log.(sizedLog); ok {
		bytes, age := log.Kept()
		gauge(s.historyBytes, float64(bytes))
		gauge(s.historyAge, age.Seconds())
	}

	if log, ok := s.sources.Log.(sharedLog); ok {
		gauge(s.clockOffset, log.ClockOffset().Seconds())
		counter(s.skipped, float64(log.Skipped()))
	}

	if s.sources.LogRecordsDropped != nil {
		counter(s.recordsDropped, float64(s.sources.LogRecordsDropped()))
	}

	if s.sources.Certificate != nil {
		certificate := s.sources.Certificate()
		gauge(s.certificateEnd, float64(certificate.NotAfter.Unix()))
		counter(s.certificateFailures, float64(certificate.Failures))
	}
	if s.sources.Presence != nil {
		stats := s.sources.Presence()
		gauge(s.presenceTopics, float64(stats.Topics))
		gauge(s.presenceMembers, float64(stats.Members))
		gauge(s.presenceNodes, float64(stats.Nodes))
		counter(s.presenceSent, float64(stats.Sent))
		counter(s.presenceReceived, float64(stats.Received))
	}

	clock := s.sources.Clock.Stats()
	counter(s.ticks, float64(clock.Ticks))
	counter(s.ticksSkipped, float64(clock.Skipped))
	counter(s.ticksFailed, float64(clock.Failed))
}

// number returns 1 for true and 0 for false.
func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
