package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// publishTo runs the publish command against a server that responds with a status, and returns the traceparent it received
// and what the command wrote to standard error.
func publishTo(t *testing.T, status int) (traceParent, stderr string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		traceParent = r.Header.Get("Traceparent")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"id":"a-1"}`)
	}))
	defer server.Close()
	_, _, stderr = carillon("publish", "greetings", "hello", "--url", server.URL)
	return traceParent, stderr
}

func TestPublishSendsATraceparent(t *testing.T) {
	t.Setenv("TRACEPARENT", "")
	first, stderr := publishTo(t, http.StatusCreated)
	assert.Empty(t, stderr)
	require.Regexp(t, `\A00-[0-9a-f]{32}-[0-9a-f]{16}-01\z`, first)
	second, stderr := publishTo(t, http.StatusInternalServerError)
	assert.NotEqual(t, first, second, "each publish is a trace of its own")
	assert.Contains(t, stderr, "(trace_id "+second[3:35]+")", "it finds the server's log records")
	_, stderr = publishTo(t, http.StatusForbidden)
	assert.NotContains(t, stderr, "trace_id", "the mistake is the publisher's")
}

func TestPublishIsPartOfTheTraceOfItsEnvironment(t *testing.T) {
	const given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
	t.Setenv("TRACEPARENT", given)
	sent, stderr := publishTo(t, http.StatusCreated)
	assert.Equal(t, given, sent)
	assert.Empty(t, stderr)

	t.Setenv("TRACEPARENT", "nonsense")
	code, _, stderr := carillon("publish", "greetings", "hello")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, stderr, `TRACEPARENT: must be a traceparent as in W3C Trace Context (got "nonsense")`)
}
