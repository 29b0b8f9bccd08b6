package server_test

import (
	"bytes"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
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
	assert.Equal(t, "carillon: waiting for 2 streams to end, for 2h0m0s at most; press Ctrl-C again to stop at once\n", notice.String())
}

func TestStopWithoutStreamsSaysNothing(t *testing.T) {
	var notice bytes.Buffer
	s := servertest.Start(t, servertest.Options{Notice: &notice})
	stop := make(chan os.Signal, 1)
	stop <- os.Interrupt
	require.NoError(t, s.Run(t.Context(), stop, nil))
	assert.Empty(t, notice.String())
}
