package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
)

// assertDrained reads a stream to its end, which must tell the client that the server drains.
func assertDrained(t *testing.T, stream *http.Response) {
	t.Helper()
	rest, err := io.ReadAll(stream.Body)
	require.NoError(t, err, "a clean end")
	_, last, found := strings.Cut(string(rest), "retry: ")
	assert.True(t, found, "a time to reconnect after")
	assert.Contains(t, last, "event: carillon.goaway\ndata: {\"reason\":\"drain\"")
}

func TestServeStreamsAndDrains(t *testing.T) {
	s := program.Start(t, "CLOCK_INTERVAL=20ms", "DRAIN_WINDOW=200ms")
	var streams [5]*http.Response
	for i := range streams {
		streams[i] = servertest.OpenClock(t, s.URL(""))
	}
	assert.Equal(t, http.StatusOK, servertest.Get(t, s.URL("/readyz")).StatusCode)
	s.Terminate(t)
	for _, stream := range streams {
		assertDrained(t, stream)
	}
	stopped := s.AwaitMessage(t, "carillon stopped")
	assert.Equal(t, "terminated", stopped["reason"])
	assert.NotContains(t, stopped, "problem")
	assert.Equal(t, 0, s.Wait(t))
	assert.Empty(t, s.Stderr(t))
}

func TestServeWhileDraining(t *testing.T) {
	// With one shard, the first stream ends at once, and the second half an hour later, or when its client leaves.
	s := program.Start(t, "CLOCK_INTERVAL=20ms", "STREAM_SHARDS=1", "DRAIN_RATE=0", "DRAIN_WINDOW=1h", "DRAIN_TIMEOUT=2h")
	streams := []*http.Response{servertest.OpenClock(t, s.URL("")), servertest.OpenClock(t, s.URL(""))}
	healthcheck := func(args ...string) int {
		return program.Run(t, "", append([]string{"healthcheck"}, args...), "HTTP_ADDR="+s.Addr).Code
	}
	require.Zero(t, healthcheck("--ready"))

	s.Terminate(t)
	s.AwaitMessage(t, "stream closed")
	assert.Equal(t, http.StatusServiceUnavailable, servertest.Get(t, s.URL("/readyz")).StatusCode)
	assert.Equal(t, http.StatusOK, servertest.Get(t, s.URL("/healthz")).StatusCode)
	assert.Zero(t, healthcheck())
	assert.Equal(t, exitFailure, healthcheck("--ready"))
	late := servertest.Get(t, s.URL("/events"))
	require.Equal(t, http.StatusOK, late.StatusCode, "a browser would not reconnect after any other status")
	assertDrained(t, late)

	for _, stream := range streams {
		require.NoError(t, stream.Body.Close())
	}
	assert.Equal(t, 0, s.Wait(t), "once the last client has left")
}

// Four streams are ended within milliseconds, whatever the window, and each client is told to come back after the process
// has ended, so that a restart is not slower for it than a crash.
func TestServeEndsFewStreamsAtOnce(t *testing.T) {
	s := program.Start(t, "CLOCK_INTERVAL=20ms", "DRAIN_WINDOW=1h", "DRAIN_TIMEOUT=2h")
	var streams [4]*http.Response
	for i := range streams {
		streams[i] = servertest.OpenClock(t, s.URL(""))
	}
	s.Terminate(t)
	for _, stream := range streams {
		assertDrained(t, stream)
	}
	assert.Zero(t, s.Wait(t), "long before drain.window is over")
}

// While draining, events are accepted only if they outlive the process. Ticks that stop then are no failure.
func TestServePublishesWhileDraining(t *testing.T) {
	for backend, want := range map[string]int{"memory": http.StatusServiceUnavailable, "disk": http.StatusCreated} {
		t.Run(backend, func(t *testing.T) {
			s := program.Start(t, "HISTORY_BACKEND="+backend, "HISTORY_DISK_PATH="+t.TempDir(), "AUTH_PUBLISH_TOKEN=sesame",
				"CLOCK_INTERVAL=20ms", "STREAM_SHARDS=1", "DRAIN_RATE=0", "DRAIN_WINDOW=1h", "DRAIN_TIMEOUT=2h")
			streams := []*http.Response{servertest.OpenClock(t, s.URL("")), servertest.OpenClock(t, s.URL(""))}
			s.Terminate(t)
			s.AwaitMessage(t, "stream closed")
			response := servertest.Publish(t, s.URL("/events?topic=a"), "sesame", "hello")
			assert.Equal(t, want, response.StatusCode)
			assert.Equal(t, want == http.StatusServiceUnavailable, response.Header.Get("Retry-After") != "")
			for range 3 { // the clock goes on for the clients that are still here
				servertest.NextData(t, bufio.NewReader(streams[0].Body))
			}
			for _, stream := range streams {
				require.NoError(t, stream.Body.Close())
			}
			assert.Zero(t, s.Wait(t))
		})
	}
}

func TestServeStartRecords(t *testing.T) {
	s := program.Start(t, "LIMITS_MAX_STREAMS=7")
	assert.EqualValues(t, 7, s.Started["max_streams"])
	assert.Equal(t, "configured", s.Started["max_streams_reason"])
	assert.NotZero(t, s.Started["file_limit"])
	assert.NotEmpty(t, s.Started["version"])
	generated := s.AwaitMessage(t, "no key is configured: generated a token for publishing, valid until the next start; set auth.publish_token to keep one")
	assert.NotEmpty(t, generated["token"])
}

func TestServeWarnsOfAShortHistory(t *testing.T) {
	s := program.Start(t, "HISTORY_EVENTS=100")
	warning := s.AwaitMessage(t, "the window is not smaller than the history: clients that are too slow will miss events; lower window.* or raise history.*")
	assert.Equal(t, "warn", warning["level"])
}

func TestServeEndsAtOnceOnTheSecondSignal(t *testing.T) {
	s := program.Start(t, "CLOCK_INTERVAL=20ms", "STREAM_SHARDS=1", "DRAIN_RATE=0", "DRAIN_WINDOW=1h", "DRAIN_TIMEOUT=2h")
	for range 2 {
		servertest.NextData(t, bufio.NewReader(servertest.Get(t, s.URL("/events")).Body))
	}
	s.Terminate(t)
	s.AwaitMessage(t, "stream closed")
	s.Terminate(t)
	assert.Equal(t, "a second signal cut the stop short", s.AwaitMessage(t, "carillon stopped")["problem"])
	assert.Equal(t, exitFailure, s.Wait(t))
}

func TestServeOnAPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	addr := taken.Addr().String()
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	next := net.JoinHostPort("127.0.0.1", strconv.Itoa(number+1))
	for key, environ := range map[string][]string{
		"http.addr":  {"CARILLON_HTTP_ADDR=" + addr, "CARILLON_ADMIN_ADDR=127.0.0.1:0"},
		"admin.addr": {"CARILLON_HTTP_ADDR=127.0.0.1:0", "CARILLON_ADMIN_ADDR=" + addr},
	} {
		t.Run(key, func(t *testing.T) {
			setenv(t, environ)
			code, stdout, stderr := carillon()
			assert.Equal(t, exitFailure, code)
			assert.Empty(t, stdout)
			assert.Equal(t, "carillon: "+key+": cannot listen on \""+addr+"\": address already in use; another one is chosen with "+
				"CARILLON_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))+"="+next+"\n", stderr)
		})
	}
}
