package telemetry

import (
	"context"
	"net/url"

	"go.opentelemetry.io/otel/sdk/trace"
)

// Events are called when the collector begins to fail, and when it takes spans again. They must not block.
type Events struct {
	Failing   func(error)
	Recovered func(lost int) // spans that were not sent meanwhile
}

// exporter reports failures of another one once, rather than each time, and to the server's logger rather than to
// OpenTelemetry's own. Its methods are called by one goroutine at a time, as the SDK promises.
type exporter struct {
	next    trace.SpanExporter
	events  Events
	failing bool
	lost    int
}

// ExportSpans implements [trace.SpanExporter].
func (e *exporter) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	err := e.next.ExportSpans(ctx, spans)
	switch {
	case err != nil:
		e.lost += len(spans)
		if !e.failing {
			e.failing = true
			e.events.Failing(err)
		}
	case e.failing:
		e.events.Recovered(e.lost)
		e.failing, e.lost = false, 0
	}
	return nil
}

// Shutdown implements [trace.SpanExporter].
func (e *exporter) Shutdown(ctx context.Context) error { return e.next.Shutdown(ctx) }

// tracesURL returns the URL that spans are posted to, which is below the base URL (OTLP specification, OTLP/HTTP request).
func (c Config) tracesURL() string {
	joined, _ := url.JoinPath(c.Endpoint, "v1", "traces") // it was validated
	return joined
}
