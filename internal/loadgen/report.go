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
	Latency           Latency `json:"latency_ms"`

	Loader Usage `json:"loader"`
}

// Latency is the latency of deliveries, in milliseconds since their event was due.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// Write writes the report as a table.
func (r Report) Write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { _, _ = fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	line("streams", "%d opened in %.2f s (%.0f/s), %d of them stalled, %d closed by the server", r.Streams, r.OpenSeconds, r.OpenRate, r.Stalled, r.Closed)
	if r.StreamBytes != 0 || r.OpenCPUMicros != 0 {
		line("server, each stream", "%.2f KiB resident, %.1f us of processor to open", r.StreamBytes/1024, r.OpenCPUMicros)
	}
	if r.IdleCPUPercent != 0 {
		line("server, idle", "%.2f %% of a processor", r.IdleCPUPercent)
	}
	if r.Published > 0 || r.PublishErrors > 0 {
		line("published", "%d (%.0f/s), %d failed", r.Published, r.PublishRate, r.PublishErrors)
		line("delivered", "%d of %d (%.0f/s), %d lost, %d repeated", r.Delivered, r.Wanted, r.DeliveryRate, r.Lost, r.Repeated)
		if r.DeliveryCPUMicros != 0 {
			line("server, each delivery", "%.2f us of processor", r.DeliveryCPUMicros)
		}
		line("latency, ms", "p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f", r.Latency.P50, r.Latency.P90, r.Latency.P99, r.Latency.P999, r.Latency.Max)
	}
	line("this program", "%.2f s of processor, %.0f MiB resident", r.Loader.CPU.Seconds(), float64(r.Loader.RSS)/(1<<20))
	return w.Flush()
}
