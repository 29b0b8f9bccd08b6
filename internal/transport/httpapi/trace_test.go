package httpapi_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/zap/zaptest/observer"
)

const (
	traceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentID    = "00f067aa0ba902b7"
	traceParent = "00-" + traceID + "-" + parentID + "-01"
)

// traced returns the trace_id of a log record, or nil if it has none.
func traced(record observer.LoggedEntry) any { return record.ContextMap()["trace_id"] }

// The trace of a request is in every log record about it, whether or not traces are recorded.
func TestLogRecordsHaveTheTrace(t *testing.T) {
	s := serve(t, func(s *settings) {
		s.page = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("something broke") })
	})
	s.skipDescriptionCheck()
	header := []string{"Traceparent", traceParent}
	require.Equal(t, http.StatusCreated, s.post("topic=a", "x", header...).status)
	s.do(http.MethodPost, "/events?topic=a", "x", append(header, "Authorization", "Bearer wrong")...)
	s.do(http.MethodGet, "/", "", header...)
	st, _ := s.listen("topic=a", header...)
	st.close()
	for _, message := range []string{"request", "request refused", "panic", "stream opened"} {
		records := s.logs.FilterMessage(message).All()
		require.NotEmpty(t, records, message)
		for _, record := range records {
			assert.Equal(t, traceID, traced(record), message)
		}
	}
}

func TestInvalidTraceparentsAreIgnored(t *testing.T) {
	s := serve(t)
	for _, invalid := range []string{
		"", "canary", "00-" + traceID + "-" + parentID, "00-00000000000000000000000000000000-" + parentID + "-01",
		"00-" + traceID + "-0000000000000000-01", "ff-" + traceID + "-" + parentID + "-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" + parentID + "-01", "00-" + traceID + "-" + parentID + "-01-extra",
	} {
		require.Equal(t, http.StatusCreated, s.post("topic=a", "x", "Traceparent", invalid).status)
	}
	for _, record := range s.logs.FilterMessage("request").All() {
		assert.Nil(t, traced(record))
	}
}

// spans returns a server that records spans, and the recorder.
func spans(t *testing.T, change ...func(*settings)) (*server, *tracetest.SpanRecorder) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	tracer := trace.NewTracerProvider(trace.WithSpanProcessor(recorder)).Tracer("test")
	return serve(t, append(change, func(s *settings) { s.tracer = tracer })...), recorder
}

func attributes(span trace.ReadOnlySpan) map[string]any {
	values := map[string]any{}
	for _, attribute := range span.Attributes() {
		values[string(attribute.Key)] = attribute.Value.AsInterface()
	}
	return values
}

func TestPublishIsTraced(t *testing.T) {
	s, recorder := spans(t)
	response := s.post("topic=a&type=canary", "canary", "Traceparent", traceParent, "Tracestate", "vendor=canary")
	require.Equal(t, http.StatusCreated, response.status)
	ended := recorder.Ended()
	require.Len(t, ended, 1)
	span := ended[0]
	assert.Equal(t, "publish /events", span.Name())
	assert.Equal(t, traceID, span.SpanContext().TraceID().String())
	assert.Equal(t, parentID, span.Parent().SpanID().String())
	assert.Equal(t, codes.Unset, span.Status().Code)
	values := attributes(span)
	assert.Equal(t, "POST", values["http.request.method"])
	assert.EqualValues(t, http.StatusCreated, values["http.response.status_code"])
	assert.Equal(t, response.header.Get("X-Request-Id"), values["carillon.request_id"])
	for key, value := range values {
		assert.NotContains(t, fmt.Sprint(value), "canary", key)
	}
}

// A span without a parent begins a trace, which the log records name.
func TestTraceBeginsAtTheServer(t *testing.T) {
	s, recorder := spans(t)
	require.Equal(t, http.StatusCreated, s.post("topic=a", "x").status)
	records := s.logs.FilterMessage("request").All()
	require.Len(t, records, 1)
	assert.Equal(t, recorder.Ended()[0].SpanContext().TraceID().String(), traced(records[0]))
}

func TestRefusalsAreTraced(t *testing.T) {
	s, recorder := spans(t)
	s.do(http.MethodPost, "/events?topic=a", "x", "Authorization", "Bearer "+tokenNoKeys)
	span := recorder.Ended()[0]
	assert.Equal(t, codes.Error, span.Status().Code)
	assert.Equal(t, "keys_unavailable", attributes(span)["error.type"])
	s.do(http.MethodPost, "/events?topic=a", "x")
	span = recorder.Ended()[1]
	assert.Equal(t, codes.Unset, span.Status().Code, "the mistake is the client's")
	assert.Equal(t, "unauthorized", attributes(span)["error.type"])
}

// The span of a subscription ends when its stream begins, on every kind of connection, and deliveries have none.
func TestSubscriptionIsTracedUntilItsStreamBegins(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s, recorder := spans(t, path)
		st, _ := s.listen("topic=a", "Traceparent", traceParent)
		eventually(t, "the span of the subscription", func() bool { return len(recorder.Ended()) == 1 })
		span := recorder.Ended()[0]
		assert.Equal(t, "subscribe /events", span.Name())
		assert.Equal(t, parentID, span.Parent().SpanID().String())
		opened := s.logs.FilterMessage("stream opened").All()
		require.Len(t, opened, 1)
		assert.Equal(t, opened[0].ContextMap()["conn"], attributes(span)["carillon.conn"])
		assert.EqualValues(t, http.StatusOK, attributes(span)["http.response.status_code"])

		require.Equal(t, http.StatusCreated, s.post("topic=a", "x").status)
		st.close()
		assert.Len(t, recorder.Started(), 2, "the request to publish has the other one")
	})
}

func TestOtherRequestsAreNotTraced(t *testing.T) {
	s, recorder := spans(t)
	s.skipDescriptionCheck()
	for _, path := range []string{"/", "/healthz", "/readyz", "/openapi.yaml", "/nothing"} {
		s.do(http.MethodGet, path, "")
	}
	s.do(http.MethodPut, "/events", "")
	assert.Empty(t, recorder.Started())
}
