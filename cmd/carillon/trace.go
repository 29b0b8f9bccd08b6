package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"carillon/internal/client"
)

// envTraceParent is the variable in which programs that trace hand their trace on to commands.
const envTraceParent = "TRACEPARENT"

// traceContext is the trace that a command is part of.
type traceContext struct{ id, header string }

// traceParent returns the trace of the environment, or a new one, which the server may record.
func traceParent() (traceContext, error) {
	w3c := propagation.TraceContext{}
	header := propagation.MapCarrier{}
	if given := os.Getenv(envTraceParent); given != "" {
		header.Set("traceparent", given)
		part := trace.SpanContextFromContext(w3c.Extract(context.Background(), header))
		if !part.IsValid() {
			return traceContext{}, usageError{fmt.Errorf("%s: must be a traceparent as in W3C Trace Context (got %.60q)", envTraceParent, given)}
		}
		return traceContext{id: part.TraceID().String(), header: given}, nil
	}
	fresh := trace.SpanContextConfig{TraceFlags: trace.FlagsSampled}
	_, _ = rand.Read(fresh.TraceID[:]) // it never fails
	_, _ = rand.Read(fresh.SpanID[:])
	w3c.Inject(trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(fresh)), header)
	return traceContext{id: fresh.TraceID.String(), header: header.Get("traceparent")}, nil
}

// named adds the trace to an error whose cause is at the server, so that its log records can be found.
func (t traceContext) named(err error) error {
	if p, ok := errors.AsType[*client.ProblemError](err); ok && p.Status >= http.StatusInternalServerError {
		return fmt.Errorf("%w (trace_id %s)", err, t.id)
	}
	return err
}
