package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// asCarillon in the environment makes the test binary be the program, so that tests can run, signal and wait for it.
const asCarillon = "RUN_AS_CARILLON"

func TestMain(m *testing.M) {
	if os.Getenv(asCarillon) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	for _, entry := range os.Environ() { // the developer's own
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, envPrefix) {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

// program is a carillon that runs as a process of its own.
type program struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	log    chan map[string]any // its records; closed at its end

	started map[string]any // its start record
	addr    string
}

func command(t *testing.T, environ []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append([]string{asCarillon + "=1", "PATH=" + os.Getenv("PATH")}, environ...)
	return cmd
}

// launch starts a server and waits until it serves.
func launch(t *testing.T, environ ...string) *program {
	t.Helper()
	p := &program{
		cmd: command(t, append([]string{"CARILLON_HTTP_ADDR=127.0.0.1:0", "CARILLON_ADMIN_ADDR=127.0.0.1:0", "CARILLON_LOG_ENCODING=json", "CARILLON_CLOCK_INTERVAL=20ms"}, environ...)),
		log: make(chan map[string]any, 1000),
	}
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			p.wait()
		}
	})
	go func() {
		defer close(p.log)
		for records := json.NewDecoder(out); ; {
			var record map[string]any
			if records.Decode(&record) != nil {
				return
			}
			p.log <- record
		}
	}()
	p.started = p.await(t, "carillon started")
	p.addr = p.started["addr"].(string)
	return p
}

// await answers the next record with this message.
func (p *program) await(t *testing.T, msg string) map[string]any {
	t.Helper()
	for record := range p.log {
		if record["msg"] == msg {
			return record
		}
	}
	require.Fail(t, "the log ended without "+msg, p.stderr.String())
	return nil
}

// wait answers the exit code, once the log has been read to its end.
func (p *program) wait() int {
	for range p.log {
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func (p *program) signal(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
}

func (p *program) get(t *testing.T, path string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.addr+path, nil)
	require.NoError(t, err)
	request.Header.Set("Accept", "text/event-stream")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// nextData reads lines up to one of data, and answers the data.
func nextData(t *testing.T, lines *bufio.Reader) string {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		if data, is := strings.CutPrefix(line, "data: "); is {
			return strings.TrimSuffix(data, "\n")
		}
	}
}

// clock opens a stream of the clock and reads three ticks from it.
func (p *program) clock(t *testing.T) *http.Response {
	t.Helper()
	answer := p.get(t, "/events")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	lines := bufio.NewReader(answer.Body)
	var before time.Time
	for range 3 {
		now, err := time.Parse(time.DateTime, nextData(t, lines))
		require.NoError(t, err)
		assert.False(t, now.Before(before), "time goes on")
		before = now
	}
	return answer
}

// farewell reads a stream to its end.
func farewell(t *testing.T, stream *http.Response) {
	t.Helper()
	rest, err := io.ReadAll(stream.Body)
	require.NoError(t, err, "a clean end")
	_, last, found := strings.Cut(string(rest), "retry: ")
	assert.True(t, found, "a time to come back after")
	assert.Contains(t, last, "event: carillon.goaway\ndata: {\"reason\":\"drain\"")
}

func TestServeStreamsAndDrains(t *testing.T) {
	p := launch(t, "CARILLON_DRAIN_WINDOW=200ms")
	var streams [5]*http.Response
	for i := range streams {
		streams[i] = p.clock(t)
	}
	assert.Equal(t, http.StatusOK, p.get(t, "/readyz").StatusCode)
	p.signal(t)
	for _, stream := range streams {
		farewell(t, stream)
	}
	stopped := p.await(t, "carillon stopped")
	assert.Equal(t, "terminated", stopped["reason"])
	assert.NotContains(t, stopped, "problem")
	assert.Equal(t, 0, p.wait())
	assert.Empty(t, p.stderr.String())
}

func TestServeWhileDraining(t *testing.T) {
	// In one shard, the first stream ends at once, and the second half an hour later, or with its client.
	p := launch(t, "CARILLON_STREAM_SHARDS=1", "CARILLON_DRAIN_WINDOW=1h", "CARILLON_DRAIN_TIMEOUT=2h")
	streams := []*http.Response{p.clock(t), p.clock(t)}
	healthy := []string{"CARILLON_HTTP_ADDR=" + p.addr}
	require.NoError(t, command(t, healthy, "healthcheck", "--ready").Run())

	p.signal(t)
	p.await(t, "stream closed")
	assert.Equal(t, http.StatusServiceUnavailable, p.get(t, "/readyz").StatusCode)
	assert.Equal(t, http.StatusOK, p.get(t, "/healthz").StatusCode)
	require.NoError(t, command(t, healthy, "healthcheck").Run())
	unready := command(t, healthy, "healthcheck", "--ready")
	require.Error(t, unready.Run())
	assert.Equal(t, exitFailure, unready.ProcessState.ExitCode())
	late := p.get(t, "/events")
	require.Equal(t, http.StatusOK, late.StatusCode, "a browser gives up for ever on anything else")
	farewell(t, late)

	for _, stream := range streams {
		require.NoError(t, stream.Body.Close())
	}
	assert.Equal(t, 0, p.wait(), "once the last client is gone")
}

func TestServeStartRecords(t *testing.T) {
	p := launch(t, "CARILLON_LIMITS_MAX_STREAMS=7")
	assert.EqualValues(t, 7, p.started["max_streams"])
	assert.Equal(t, "configured", p.started["max_streams_reason"])
	assert.NotZero(t, p.started["file_limit"])
	assert.NotEmpty(t, p.started["version"])
	assert.NotEmpty(t, p.await(t, "no key is configured: made a token for publishing, good until the next start; set auth.publish_token to keep one")["token"])
	p.signal(t)
	assert.Equal(t, 0, p.wait())
}

func TestServeWarnsOfAShortHistory(t *testing.T) {
	const warning = "the window is not smaller than the history: clients that are too slow will miss events; lower window.* or raise history.*"
	p := launch(t, "CARILLON_HISTORY_EVENTS=100")
	assert.Equal(t, "warn", p.await(t, warning)["level"])
	p.signal(t)
	assert.Equal(t, 0, p.wait())
	assert.False(t, defaults(t).shortHistory(), "the defaults are no example of it")
}

func TestServeEndsAtOnceOnTheSecondSignal(t *testing.T) {
	p := launch(t, "CARILLON_STREAM_SHARDS=1", "CARILLON_DRAIN_WINDOW=1h", "CARILLON_DRAIN_TIMEOUT=2h")
	for range 2 {
		nextData(t, bufio.NewReader(p.get(t, "/events").Body))
	}
	p.signal(t)
	p.await(t, "stream closed")
	p.signal(t)
	assert.Equal(t, errCutShort.Error(), p.await(t, "carillon stopped")["problem"])
	assert.Equal(t, exitFailure, p.wait())
}

func TestServeOnAPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	addr := taken.Addr().String()
	t.Setenv("CARILLON_HTTP_ADDR", addr)
	t.Setenv("CARILLON_ADMIN_ADDR", "127.0.0.1:0")
	code, stdout, stderr := carillon()
	assert.Equal(t, exitFailure, code)
	assert.Empty(t, stdout)
	assert.Equal(t, "carillon: http.addr: cannot listen on \""+addr+"\": address already in use\n", stderr)
}

// carillon runs a command to its end, in this process.
func carillon(args ...string) (code int, stdout, stderr string) {
	var out, problems bytes.Buffer
	code = run(args, &out, &problems)
	return code, out.String(), problems.String()
}

func setenv(t *testing.T, environ []string) {
	t.Helper()
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
}

func TestCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		environ, args  []string
		code           int
		stdout, stderr string // what they begin with
	}{
		"wrong configuration": {[]string{"CARILLON_CLOCK_INTERVAL=5"}, nil, 1, "", "carillon: clock.interval: got \"5\", takes a duration such as 500ms, 15s or 1h30m (set in CARILLON_CLOCK_INTERVAL)\n"},
		"no such file":        {nil, []string{"--config", "/nowhere"}, 1, "", "carillon: reading the configuration file: open /nowhere: no such file or directory\n"},
		"no such command":     {nil, []string{"ring"}, 2, "", "carillon: unknown command \"ring\" for \"carillon\"\ncarillon: see carillon --help\n"},
		"no such flag":        {nil, []string{"serve", "--loud"}, 2, "", "carillon: unknown flag: --loud\ncarillon: see carillon --help\n"},
		"too many arguments":  {nil, []string{"version", "1"}, 2, "", "carillon: unknown command \"1\" for \"carillon version\"\ncarillon: see carillon --help\n"},
		"version":             {nil, []string{"version"}, 0, "carillon ", ""},
		"help":                {nil, []string{"--help"}, 0, "Carillon pushes events", ""},
		"config":              {[]string{"CARILLON_LOG_LEVEL=warn"}, []string{"config"}, 0, "http:\n    addr: :8080\n", ""},
		"config, wrong":       {[]string{"CARILLON_LOG_LEVEL=loud"}, []string{"config"}, 1, "", "carillon: log.level: got \"loud\", takes debug, info, warn or error (set in CARILLON_LOG_LEVEL)\n"},
		"defaults":            {nil, []string{"config", "--defaults"}, 0, "# Carillon's configuration", ""},
		"nobody is there":     {[]string{"CARILLON_HTTP_ADDR=127.0.0.1:1"}, []string{"healthcheck"}, 1, "", "carillon: dial tcp 127.0.0.1:1: connect: connection refused\n"},
	} {
		t.Run(name, func(t *testing.T) {
			setenv(t, c.environ)
			code, stdout, stderr := carillon(c.args...)
			assert.Equal(t, c.code, code, stderr)
			if c.stdout == "" {
				assert.Empty(t, stdout)
			}
			assert.True(t, strings.HasPrefix(stdout, c.stdout), stdout)
			assert.Equal(t, c.stderr, stderr)
		})
	}
}
