// Package servertest starts servers for tests: in the process of the test with [Start], or the program as a process of its
// own with [Program.Start].
package servertest

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/config"
	"carillon/cmd/carillon/internal/server"
)

// defaults are the settings of a server in a test, unless the test overrides them.
var defaults = []string{
	"HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "LOG_ENCODING=json", "DRAIN_WINDOW=100ms", "DRAIN_TIMEOUT=5s",
}

// environ returns variables for the defaults and for settings of the form KEY=VALUE, where the last one wins.
func environ(settings []string) []string {
	values := map[string]string{}
	for _, setting := range slices.Concat(defaults, settings) {
		key, value, _ := strings.Cut(setting, "=")
		values[key] = value
	}
	var variables []string
	for key, value := range values {
		variables = append(variables, "CARILLON_"+key+"="+value)
	}
	return variables
}

// Options are what a test may choose.
type Options struct {
	Settings []string  // of the form KEY=VALUE, such as CLOCK_INTERVAL=1h
	Output   io.Writer // takes the log records; nil: [Server.Records]
	Notice   io.Writer // takes what a person at a terminal is told; nil if there is none
}

// Server is a server in the process of the test.
type Server struct {
	*server.Server
	*Records
}

// Start starts a server on free ports of the loopback interface. It is stopped at the end of the test, and must then stop
// in order.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	load := func() (*config.Configuration, error) { return config.Load("", environ(o.Settings)) }
	loaded, err := load()
	require.NoError(t, err)
	records := newRecords()
	if o.Output == nil {
		o.Output = records
	}
	srv, err := server.Start(t.Context(), server.Options{
		Config: loaded, Reload: load, Build: server.Build{Version: "test"}, Output: o.Output, Notice: o.Notice,
	})
	require.NoError(t, err)
	s := &Server{Server: srv, Records: records}
	t.Cleanup(func() { assert.NoError(t, s.Stop()) })
	return s
}

// URL returns the URL of a path on the public listener.
func (s *Server) URL(path string) string { return "http://" + s.Addr() + path }

// AdminURL returns the URL of a path on the admin listener.
func (s *Server) AdminURL(path string) string { return "http://" + s.AdminAddr() + path }

// Stop stops the server.
func (s *Server) Stop() error { return s.Server.Stop(context.Background(), "end of the test") }
