package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
)

func TestDoctor(t *testing.T) {
	s := program.Start(t, "AUTH_PUBLISH_TOKEN=sesame")
	run := func(args ...string) servertest.Result {
		return program.Run(t, "", args, "URL="+s.URL(""), "TOKEN=sesame")
	}
	quick := []string{"doctor", "--watch", "300ms", "--idle-timeout", "0"}
	t.Run("no problems", func(t *testing.T) {
		got := run(quick...)
		assert.Zero(t, got.Code, got.Stderr)
		assert.Contains(t, got.Stdout, "(Carillon)\nok    head ")
		assert.Contains(t, got.Stdout, "\nproblems: 0, warnings: 0\n")
		assert.Empty(t, got.Stderr, "progress is for terminals")
	})
	t.Run("problems, as JSON", func(t *testing.T) {
		got := run(append(quick, "--json", "--origin", "https://app.example.com")...)
		assert.Equal(t, exitProblems, got.Code)
		assert.Empty(t, got.Stderr)
		var report struct {
			Server, Level string
			Findings      []struct{ Check, Code, Level string }
		}
		require.NoError(t, json.Unmarshal([]byte(got.Stdout), &report))
		assert.Equal(t, "carillon", report.Server)
		assert.Equal(t, "fail", report.Level)
		assert.Contains(t, report.Findings, struct{ Check, Code, Level string }{"cors", "origin_refused", "fail"})
		assert.NotContains(t, got.Stdout, "sesame")
	})
	t.Run("warnings", func(t *testing.T) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.Write([]byte("data: without an id\n\n"))
		}))
		defer srv.Close()
		got := run(append(quick, srv.URL+"/stream")...)
		assert.Zero(t, got.Code, got.Stderr)
		assert.Contains(t, got.Stdout, srv.URL+"/stream (not recognised as Carillon)\n")
		assert.Equal(t, exitProblems, run(append(quick, srv.URL, "--strict")...).Code)
	})
	t.Run("unreachable server", func(t *testing.T) {
		got := run(append(quick, "http://127.0.0.1:1")...)
		assert.Equal(t, exitFailure, got.Code)
		assert.Empty(t, got.Stdout)
		assert.Contains(t, got.Stderr, "cannot reach http://127.0.0.1:1/events")
	})
	t.Run("invalid command line", func(t *testing.T) {
		assert.Equal(t, exitUsage, run(append(quick, "ftp://x")...).Code)
		assert.Equal(t, exitUsage, run(append(quick, "http://a", "http://b")...).Code)
		assert.Equal(t, exitUsage, run(append(quick, "--origin", "app")...).Code)
	})
}
