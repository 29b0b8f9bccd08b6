package server_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
	"carillon/internal/infra/telemetry/telemetrytest"
)

const (
	traceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceParent = "00-" + traceID + "-00f067aa0ba902b7-01"
)

// A publish and a subscription are each one span at the collector, and the stop sends what is left.
func TestTracesReachTheCollector(t *testing.T) {
	collector := telemetrytest.Start(t)
	s := servertest.Start(t, servertest.Options{Settings: []string{
		"TELEMETRY_TRACES=true", "TELEMETRY_ENDPOINT=" + collector.URL, "AUTH_PUBLISH_TOKEN=sesame", "CLOCK_INTERVAL=20ms",
	}})
	send := func(method, path, body string) *http.Response {
		request, err := http.NewRequestWithContext(t.Context(), method, s.URL(path), strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer sesame")
		request.Header.Set("Traceparent", traceParent)
		return servertest.Do(t, request)
	}
	stream := send(http.MethodGet, "/events", "")
	for range 3 {
		servertest.NextData(t, bufio.NewReader(stream.Body))
	}
	require.Equal(t, http.StatusCreated, send(http.MethodPost, "/events?topic=a", "hello").StatusCode)
	assert.Equal(t, traceID, s.AwaitMessage(t, "request")["trace_id"])
	assert.Equal(t, traceID, s.AwaitMessage(t, "stream opened")["trace_id"])
	require.NoError(t, stream.Body.Close())
	require.NoError(t, s.Stop())

	spans := collector.Spans()
	require.Len(t, spans, 2, "ticks and deliveries have none")
	names := map[string]bool{}
	for _, span := range spans {
		names[span.Name] = true
		assert.Equal(t, traceID, span.TraceID)
		assert.Equal(t, "00f067aa0ba902b7", span.Parent)
		assert.False(t, span.Failed)
		assert.Equal(t, "test", span.Resource["service.version"])
	}
	assert.Equal(t, map[string]bool{"publish /events": true, "subscribe /events": true}, names)
}

// A collector that is away is logged and delays nothing.
func TestCollectorThatIsAwayIsLogged(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	collector := telemetrytest.Start(t)
	collector.SetDown(true)
	s := servertest.Start(t, servertest.Options{Settings: []string{
		"TELEMETRY_TRACES=true", "TELEMETRY_ENDPOINT=" + collector.URL, "AUTH_PUBLISH_TOKEN=sesame",
	}})
	require.Equal(t, http.StatusCreated, servertest.Publish(t, s.URL("/events?topic=a"), "sesame", "hello").StatusCode)
	assert.Equal(t, "warn", s.AwaitMessage(t, "traces cannot be sent")["level"])
	collector.SetDown(false)
	require.Equal(t, http.StatusCreated, servertest.Publish(t, s.URL("/events?topic=a"), "sesame", "hello").StatusCode)
	s.AwaitMessage(t, "traces are sent again")
}
