package loadgen

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Report is the result of a run. The figures of the server's process are zero without its PID.
type Report struct {
	Streams        int     `json:"streams"`
	Stalled        int     `json:"stalled"`
	OpenSeconds    float64 `json:"open_seconds"`
	OpenRate       float64 `json:"open_per_second"`
	OpenCPUMicros  float64 `json:"open_cpu_us"`
	StreamBytes    float64 `json:"stream_rss_bytes"`
	IdleCPUPercent float64 `json:"idle_cpu_percent"`

	Published         int64   `json:"published"`
	PublishErrors     int64   `json:"publish_errors"`
	PublishRate       float64 `json:"published_per_second"`
	Wanted            int64   `json:"wanted"`
	Delivered         int64   `json:"delivered"`
	Lost              int64   `json:"lost"`
	Repeated          int64   `json:"repeated"` // or published by a request that failed from the client's point of view
	DeliveryRate      float64 `json:"delivered_per_second"`
	DeliveryCPUMicros float64 `json:"delivery_cpu_us"`
	Closed            int64   `json:"closed_streams"`
	Latency           Latency `json:"latency_ms"` // of deliveries

	// PublishCPUMicros is all processor time from the first publish to the last delivery, for each published event: with
	// deliveries it includes theirs.
	PublishCPUMicros float64 `json:"publish_cpu_us"`
	// PublishSwitches is the number of voluntary context switches for each published event (Linux). Those of threads that
	// ended in the meantime are missing.
	PublishSwitches float64 `json:"publish_switches"`
	// PublishLatency is the time until the response to an accepted event arrived.
	PublishLatency Latency `json:"publish_latency_ms"`

	Loader Usage `json:"loader"`
}

// Write writes the report as a table.
func (r Report) Write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { _, _ = fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	latency := func(name string, l Latency) {
		line(name, "p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f", l.P50, l.P90, l.P99, l.P999, l.Max)
	}
	if r.Streams > 0 {
		line("streams", "%d opened in %.2f s (%.0f/s), %d of them stalled, %d closed by the server", r.Streams, r.OpenSeconds, r.OpenRate, r.Stalled, r.Closed)
	}
	if r.StreamBytes != 0 || r.OpenCPUMicros != 0 {
		line("server, each stream", "%.2f KiB resident, %.1f us of processor to open", r.StreamBytes/1024, r.OpenCPUMicros)
	}
	if r.IdleCPUPercent != 0 {
		line("server, idle", "%.2f %% of a processor", r.IdleCPUPercent)
	}
	if r.Published > 0 || r.PublishErrors > 0 {
		line("published", "%d (%.0f/s), %d failed", r.Published, r.PublishRate, r.PublishErrors)
		if r.PublishCPUMicros != 0 {
			line("server, each published event", "%.2f us of processor, %.2f voluntary context switches", r.PublishCPUMicros, r.PublishSwitches)
		}
		latency("publish, ms", r.PublishLatency)
	}
	if r.Streams > 0 && (r.Published > 0 || r.PublishErrors > 0) {
		line("delivered", "%d of %d (%.0f/s), %d lost, %d repeated", r.Delivered, r.Wanted, r.DeliveryRate, r.Lost, r.Repeated)
		if r.DeliveryCPUMicros != 0 {
			line("server, each delivery", "%.2f us of processor", r.DeliveryCPUMicros)
		}
		latency("latency, ms", r.Latency)
	}
	line("this program", "%.2f s of processor, %.0f MiB resident", r.Loader.CPU.Seconds(), float64(r.Loader.RSS)/(1<<20))
	return w.Flush()
}
