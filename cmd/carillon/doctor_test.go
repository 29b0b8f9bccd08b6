package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDoctor(t *testing.T) {
	p := launch(t, "CARILLON_AUTH_PUBLISH_TOKEN=sesame")
	quick := []string{"doctor", "--watch", "300ms", "--idle-timeout", "0"}
	t.Run("no problems", func(t *testing.T) {
		got := p.tool(t, "", quick...)
		assert.Zero(t, got.code, got.notes)
		assert.Contains(t, got.out, "(Carillon)\nok    head ")
		assert.Contains(t, got.out, "\nproblems: 0, warnings: 0\n")
		assert.Empty(t, got.notes, "progress is for terminals")
	})
	t.Run("problems, as JSON", func(t *testing.T) {
		got := p.tool(t, "", append(quick, "--json", "--origin", "https://app.example.com")...)
		assert.Equal(t, exitProblems, got.code)
		assert.Empty(t, got.notes)
		var report struct {
			Server, Level string
			Findings      []struct{ Check, Code, Level string }
		}
		require.NoError(t, json.Unmarshal([]byte(got.out), &report))
		assert.Equal(t, "carillon", report.Server)
		assert.Equal(t, "fail", report.Level)
		assert.Contains(t, report.Findings, struct{ Check, Code, Level string }{"cors", "origin_refused", "fail"})
		assert.NotContains(t, got.out, "sesame")
	})
	t.Run("warnings", func(t *testing.T) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.Write([]byte("data: without an id\n\n"))
		}))
		defer srv.Close()
		got := p.tool(t, "", append(quick, srv.URL+"/stream")...)
		assert.Zero(t, got.code, got.notes)
		assert.Contains(t, got.out, srv.URL+"/stream (not recognised as Carillon)\n")
		assert.Equal(t, exitProblems, p.tool(t, "", append(quick, srv.URL, "--strict")...).code)
	})
	t.Run("nobody there", func(t *testing.T) {
		got := p.tool(t, "", append(quick, "http://127.0.0.1:1")...)
		assert.Equal(t, exitFailure, got.code)
		assert.Empty(t, got.out)
		assert.Contains(t, got.notes, "cannot reach http://127.0.0.1:1/events")
	})
	t.Run("a command line that is wrong", func(t *testing.T) {
		assert.Equal(t, exitUsage, p.tool(t, "", append(quick, "ftp://x")...).code)
		assert.Equal(t, exitUsage, p.tool(t, "", append(quick, "http://a", "http://b")...).code)
		assert.Equal(t, exitUsage, p.tool(t, "", append(quick, "--origin", "app")...).code)
	})
}
