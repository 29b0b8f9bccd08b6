package server_test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
	"carillon/internal/infra/certificate/certificatetest"
)

// On a terminal, the stop says what it waits for and how to end it sooner.
func TestStopOnATerminalSaysWhatItWaitsFor(t *testing.T) {
	var notice bytes.Buffer
	s := servertest.Start(t, servertest.Options{Notice: &notice, Settings: []string{
		"CLOCK_INTERVAL=20ms", "STREAM_SHARDS=1", "DRAIN_RATE=0", "DRAIN_WINDOW=1h", "DRAIN_TIMEOUT=2h",
	}})
	streams := []*http.Response{servertest.OpenClock(t, s.URL("")), servertest.OpenClock(t, s.URL(""))}
	stop, ended := make(chan os.Signal, 1), make(chan error, 1)
	go func() { ended <- s.Run(t.Context(), stop, nil) }()
	stop <- os.Interrupt
	s.AwaitMessage(t, "stream closed")
	for _, stream := range streams {
		require.NoError(t, stream.Body.Close())
	}
	require.NoError(t, <-ended)
	assert.Equal(t, startNotice(s)+"carillon: waiting for 2 streams to end, for 2h0m0s at most; press Ctrl-C again to stop at once\n", notice.String())
}

func TestStopWithoutStreamsSaysNothingMore(t *testing.T) {
	var notice bytes.Buffer
	s := servertest.Start(t, servertest.Options{Notice: &notice})
	stop := make(chan os.Signal, 1)
	stop <- os.Interrupt
	require.NoError(t, s.Run(t.Context(), stop, nil))
	assert.Equal(t, startNotice(s), notice.String())
}

// startNotice is what a person at a terminal is told at the start, with an address that a browser accepts.
func startNotice(s *servertest.Server) string {
	_, port, _ := net.SplitHostPort(s.Addr())
	return "carillon: open http://localhost:" + port + " in a browser; Ctrl-C stops the server\n"
}

func TestStartNamesTheURL(t *testing.T) {
	dir := t.TempDir()
	pair := certificatetest.New(t, "carillon")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "crt"), pair.Cert, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key"), pair.Key, 0o600))
	for want, settings := range map[string][]string{
		`http://localhost:\d+ `:  {"HTTP_ADDR=:0"},
		`http://127.0.0.2:\d+ `:  {"HTTP_ADDR=127.0.0.2:0"},
		`https://localhost:\d+ `: {"HTTP_TLS_CERT_FILE=" + filepath.Join(dir, "crt"), "HTTP_TLS_KEY_FILE=" + filepath.Join(dir, "key")},
	} {
		var notice bytes.Buffer
		s := servertest.Start(t, servertest.Options{Notice: &notice, Settings: settings})
		stop := make(chan os.Signal, 1)
		stop <- os.Interrupt
		require.NoError(t, s.Run(t.Context(), stop, nil))
		assert.Regexp(t, `\Acarillon: open `+want+`in a browser; Ctrl-C stops the server\n\z`, notice.String())
	}
}
