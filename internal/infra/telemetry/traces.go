// Package telemetry sends traces to a collector of OpenTelemetry, over OTLP and HTTP.
//
// Guarantees: recording a span never waits for the collector. Spans wait in a queue of bounded length; when it is full, they
// are dropped. Nothing is sent before [Traces.Start] and after [Traces.Stop].
package telemetry

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
)

// flushTimeout is how long the end waits for the collector to take the last spans.
const flushTimeout = 2 * time.Second

// Service names what the traces come from.
type Service struct{ Version, Node string }

// Traces record and send spans.
type Traces struct {
	provider *trace.TracerProvider
	exporter *exporter
}

// New returns traces of a service. The events are called by the goroutine that sends.
func New(ctx context.Context, cfg Config, service Service, events Events) (*Traces, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	identity, err := resource.New(ctx,
		resource.WithAttributes(
			attribute.String("service.name", "carillon"),
			attribute.String("service.version", service.Version),
			attribute.String("service.instance.id", service.Node),
		),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(), // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come last
	)
	if err != nil {
		return nil, fmt.Errorf("telemetry.traces: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	var target []otlptracehttp.Option
	if cfg.Endpoint != "" && os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		target = append(target, otlptracehttp.WithEndpointURL(cfg.tracesURL()))
	}
	sender, err := otlptracehttp.New(ctx, target...)
	if err != nil {
		return nil, fmt.Errorf("telemetry.traces: %w", err)
	}
	options := []trace.TracerProviderOption{trace.WithResource(identity)}
	if os.Getenv("OTEL_TRACES_SAMPLER") == "" {
		// A request whose traceparent says whether it is recorded is recorded accordingly.
		options = append(options, trace.WithSampler(trace.ParentBased(trace.TraceIDRatioBased(cfg.SampleRatio))))
	}
	return &Traces{provider: trace.NewTracerProvider(options...), exporter: &exporter{next: sender, events: events}}, nil
}

// Tracer returns what records spans. It may be used before the start and after the stop.
func (t *Traces) Tracer() api.Tracer { return t.provider.Tracer("carillon") }

// Start begins to send spans, in a goroutine that [Traces.Stop] ends.
func (t *Traces) Start() { t.provider.RegisterSpanProcessor(trace.NewBatchSpanProcessor(t.exporter)) }

// Stop sends the spans that are left, as far as the collector takes them soon.
func (t *Traces) Stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // a collector that is away was reported when it took no spans
}
