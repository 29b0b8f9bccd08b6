package telemetry_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"carillon/internal/infra/telemetry"
	"carillon/internal/infra/telemetry/telemetrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failures records what the traces report.
type failures struct {
	failing   chan error
	recovered chan int
}

// start starts traces; the returned function ends them, which sends what is left.
func start(t *testing.T, cfg telemetry.Config) (trace.Tracer, failures, func()) {
	t.Helper()
	seen := failures{make(chan error, 10), make(chan int, 10)}
	traces, err := telemetry.New(t.Context(), cfg, telemetry.Service{Version: "v1.2.3", Node: "pod-1"}, telemetry.Events{
		Failing:   func(err error) { seen.failing <- err },
		Recovered: func(lost int) { seen.recovered <- lost },
	})
	require.NoError(t, err)
	traces.Start()
	end := sync.OnceFunc(func() { traces.Stop(context.Background()) }) // not the test's context, which ends before the cleanup
	t.Cleanup(end)
	return traces.Tracer(), seen, end
}

func record(t *testing.T, tracer trace.Tracer, name string) trace.TraceID {
	t.Helper()
	_, span := tracer.Start(t.Context(), name, trace.WithAttributes(attribute.Int("answer", 42)))
	span.End()
	return span.SpanContext().TraceID()
}

func TestSpansReachTheCollector(t *testing.T) {
	collector := telemetrytest.Start(t)
	tracer, seen, end := start(t, telemetry.Config{Traces: true, Endpoint: collector.URL + "/", SampleRatio: 1})
	id := record(t, tracer, "one")
	end()
	spans := collector.Spans()
	require.Len(t, spans, 1, "the end sends what is left")
	assert.Equal(t, "one", spans[0].Name)
	assert.Equal(t, id.String(), spans[0].TraceID)
	assert.EqualValues(t, 42, spans[0].Attributes["answer"])
	assert.Equal(t, "carillon", spans[0].Resource["service.name"])
	assert.Equal(t, "v1.2.3", spans[0].Resource["service.version"])
	assert.Equal(t, "pod-1", spans[0].Resource["service.instance.id"])
	assert.Empty(t, seen.failing)
}

func TestStandardVariablesOverrideTheKeys(t *testing.T) {
	collector := telemetrytest.Start(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=sesame")
	t.Setenv("OTEL_SERVICE_NAME", "push")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	t.Setenv("OTEL_TRACES_SAMPLER", "always_on")
	tracer, _, end := start(t, telemetry.Config{Traces: true, Endpoint: "http://127.0.0.1:1", SampleRatio: 0})
	record(t, tracer, "one")
	end()
	spans := collector.Spans()
	require.Len(t, spans, 1)
	assert.Equal(t, "push", spans[0].Resource["service.name"])
	assert.Equal(t, "test", spans[0].Resource["deployment.environment.name"])
	assert.Equal(t, "sesame", collector.Header().Get("X-Api-Key"))
}

// The ratio is for requests that are no part of a trace. For the others their traceparent decides.
func TestSampling(t *testing.T) {
	collector := telemetrytest.Start(t)
	tracer, _, end := start(t, telemetry.Config{Traces: true, Endpoint: collector.URL, SampleRatio: 0})
	record(t, tracer, "root")
	for name, flags := range map[string]trace.TraceFlags{"sampled": trace.FlagsSampled, "not sampled": 0} {
		parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags, Remote: true})
		_, span := tracer.Start(trace.ContextWithRemoteSpanContext(t.Context(), parent), name)
		span.End()
	}
	end()
	spans := collector.Spans()
	require.Len(t, spans, 1)
	assert.Equal(t, "sampled", spans[0].Name)
	assert.Equal(t, "0200000000000000", spans[0].Parent)
}

// A collector that fails is reported once, and when it takes spans again.
func TestCollectorThatFails(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "5")
	collector := telemetrytest.Start(t)
	collector.SetDown(true)
	tracer, seen, end := start(t, telemetry.Config{Traces: true, Endpoint: collector.URL, SampleRatio: 1})
	record(t, tracer, "lost")
	require.ErrorContains(t, <-seen.failing, "403")
	collector.SetDown(false)
	record(t, tracer, "arrives")
	assert.Equal(t, 1, <-seen.recovered)
	end()
	assert.Empty(t, seen.failing, "the failure is reported once")
	assert.Len(t, collector.Spans(), 1)
}

// Recording does not wait for a collector that never answers, and the end is bounded.
func TestCollectorThatIsAway(t *testing.T) {
	tracer, _, end := start(t, telemetry.Config{Traces: true, Endpoint: "http://127.0.0.1:1", SampleRatio: 1})
	for range 10_000 { // more than the queue has room for
		record(t, tracer, "dropped")
	}
	end()
}

func TestConfig(t *testing.T) {
	require.NoError(t, telemetry.Config{Traces: true, Endpoint: "https://collector.example.com:4318/otlp", SampleRatio: 0.5}.Validate())
	for want, cfg := range map[string]telemetry.Config{
		"telemetry.endpoint: must be the base URL":                   {Endpoint: "collector:4318"},
		"telemetry.endpoint: must be the base":                       {Endpoint: "https://user:canary@collector"},
		"telemetry.sample_ratio: must be between 0 and 1 (got 1.5)":  {SampleRatio: 1.5},
		"telemetry.sample_ratio: must be between 0 and 1 (got -0.1)": {SampleRatio: -0.1},
	} {
		err := cfg.Validate()
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "canary")
	}
	assert.False(t, telemetry.Config{}.Enabled())
	assert.True(t, telemetry.Config{Traces: true}.Enabled())
}

func TestStandardVariablesThatTurnTracesOff(t *testing.T) {
	for name, value := range map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			assert.False(t, telemetry.Config{Traces: true}.Enabled())
			assert.NoError(t, telemetry.Config{Traces: true}.Validate())
		})
	}
}

func TestStandardVariablesThatCannotBeFollowed(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json", "OTEL_TRACES_EXPORTER": "zipkin",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			require.ErrorContains(t, telemetry.Config{Traces: true}.Validate(), name+" must be ")
			assert.NoError(t, telemetry.Config{}.Validate(), "without traces it does not matter")
		})
	}
}
