package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
)

// traceRequest records a span of each request to publish or to subscribe, as a child of the request's traceparent. That of a
// subscription ends when its stream begins: deliveries are not traced. Without a tracer it is not installed.
func (a *API) traceRequest(c *gin.Context) {
	if c.FullPath() != routeEvents || c.Request.Method == http.MethodHead {
		c.Next()
		return
	}
	name := "subscribe"
	if c.Request.Method == http.MethodPost {
		name = "publish"
	}
	ctx, span := a.deps.Tracer.Start(withTraceParent(c.Request.Context(), c.Request), name+" "+routeEvents,
		trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(
			attribute.String("http.request.method", c.Request.Method),
			attribute.String("http.route", routeEvents),
			attribute.String("network.protocol.version", strings.TrimSuffix(strings.TrimPrefix(c.Request.Proto, "HTTP/"), ".0")),
			attribute.String("client.address", c.ClientIP()),
			attribute.String("carillon.request_id", requestID(c)),
		))
	c.Request = c.Request.WithContext(ctx)
	defer span.End() // also after a panic
	c.Next()
	endSpan(c, c.Writer.Status())
}

// endSpan ends the span of a request, if it has one. Further calls do nothing.
func endSpan(c *gin.Context, status int) {
	span := trace.SpanFromContext(c.Request.Context())
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// noteRefusal adds the code of a problem to the span of a request, if it has one.
func noteRefusal(c *gin.Context, code string) {
	trace.SpanFromContext(c.Request.Context()).SetAttributes(attribute.String("error.type", code))
}

// noteStream adds the id of a stream to the span of its request, if it has one.
func noteStream(c *gin.Context, conn string) {
	trace.SpanFromContext(c.Request.Context()).SetAttributes(attribute.String("carillon.conn", conn))
}

// withTraceParent returns a context with the trace that the request is part of, by its traceparent (W3C Trace Context). One
// that is not valid is ignored, as the specification demands.
func withTraceParent(ctx context.Context, r *http.Request) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
}

// identity returns the fields by which the log records of a request are found: its id, and the trace that it is part of.
func identity(c *gin.Context) []zap.Field {
	fields := append(make([]zap.Field, 0, 8), zap.String("request_id", requestID(c))) // with room for the rest of a record
	part := trace.SpanContextFromContext(c.Request.Context())
	if !part.IsValid() {
		part = trace.SpanContextFromContext(withTraceParent(context.Background(), c.Request))
	}
	if part.IsValid() {
		fields = append(fields, zap.Stringer("trace_id", part.TraceID()))
	}
	return fields
}
