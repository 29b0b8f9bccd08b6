// Package telemetrytest is a collector of OpenTelemetry for tests.
package telemetrytest

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span that was received.
type Span struct {
	Name, TraceID, SpanID, Parent string
	Failed                        bool
	Attributes, Resource          map[string]any
}

// Collector receives spans by OTLP over HTTP.
type Collector struct {
	URL string // the base URL

	mu     sync.Mutex
	spans  []Span
	header http.Header // of the last request
	down   bool
}

// Start starts a collector that ends with the test.
func Start(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.receive(t, w, r) }))
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// SetDown makes the collector refuse spans for good, so that the sender does not repeat them, or take them again.
func (c *Collector) SetDown(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

func (c *Collector) receive(t testing.TB, w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	body, err := io.ReadAll(r.Body)
	assert.NoError(t, err)
	assert.Equal(t, "/v1/traces", r.URL.Path)
	assert.Equal(t, "application/x-protobuf", r.Header.Get("Content-Type"))
	var request collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &request); !assert.NoError(t, err) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.header = r.Header
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans = append(c.spans, Span{
					Name: span.GetName(), TraceID: hex.EncodeToString(span.GetTraceId()), SpanID: hex.EncodeToString(span.GetSpanId()),
					Parent: hex.EncodeToString(span.GetParentSpanId()), Failed: span.GetStatus().GetCode() != 0,
					Attributes: attributes(span.GetAttributes()), Resource: attributes(resource.GetResource().GetAttributes()),
				})
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func attributes(list []*common.KeyValue) map[string]any {
	values := map[string]any{}
	for _, attribute := range list {
		switch value := attribute.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			values[attribute.GetKey()] = value.StringValue
		case *common.AnyValue_IntValue:
			values[attribute.GetKey()] = value.IntValue
		}
	}
	return values
}

// Spans returns the spans that were received.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Header returns the header of the last request.
func (c *Collector) Header() http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.header.Clone()
}

// Await waits until the collector has received as many spans, and returns them.
func (c *Collector) Await(t testing.TB, many int) []Span {
	t.Helper()
	require.Eventually(t, func() bool { return len(c.Spans()) >= many }, 20*time.Second, 10*time.Millisecond, "%d spans", many)
	return c.Spans()
}
