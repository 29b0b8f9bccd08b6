package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// secret may publish on every node.
const secret = "sesame-for-tests"

// quiet keeps everything off a stream but what a test publishes: nothing later can push out what got stuck.
var quiet = []string{"CLOCK_INTERVAL=1h", "STREAM_HEARTBEAT=1h"}

// node is one running Carillon.
type node struct {
	addr  string
	admin string // empty without one
	cmd   *exec.Cmd
	said  bytes.Buffer  // on standard error; to be read once it has ended
	ended chan struct{} // closed at its end
}

// startNode starts Carillon on a free port, with settings as KEY=VALUE. At the test's end it is told to stop and must do
// so in order, unless the test has ended it itself.
func startNode(t *testing.T, settings ...string) *node {
	t.Helper()
	return startNodeAt(t, "127.0.0.1:0", settings...)
}

func startNodeAt(t *testing.T, addr string, settings ...string) *node {
	t.Helper()
	n := &node{cmd: exec.CommandContext(context.Background(), carillon), ended: make(chan struct{})}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CARILLON_") {
			n.cmd.Env = append(n.cmd.Env, v)
		}
	}
	for _, setting := range append([]string{
		"HTTP_ADDR=" + addr, "ADMIN_ADDR=", "AUTH_PUBLISH_TOKEN=" + secret, "LOG_ENCODING=json",
		"STREAM_RETRY=300ms", "DRAIN_WINDOW=100ms", "DRAIN_TIMEOUT=5s",
	}, settings...) {
		n.cmd.Env = append(n.cmd.Env, "CARILLON_"+setting)
	}
	n.cmd.Stderr = &n.said
	out, err := n.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, n.cmd.Start())
	started := make(chan startRecord, 1)
	go func() {
		readLog(out, started)
		_ = n.cmd.Wait() // its exit code tells
		close(n.ended)
	}()
	t.Cleanup(func() {
		select {
		case <-n.ended:
		default:
			assert.Zero(t, n.stop(t), "the server did not stop in order")
		}
		if t.Failed() && n.said.Len() > 0 {
			t.Logf("the server said:\n%s", n.said.String())
		}
	})
	select {
	case record := <-started:
		n.addr, n.admin = record.Addr, record.AdminAddr
	case <-n.ended:
		require.FailNow(t, "the server did not start", "%s", n.said.String())
	case <-time.After(patience):
		require.FailNow(t, "the server does not say that it started")
	}
	return n
}

// startRecord is the log's record of the start.
type startRecord struct {
	Msg       string
	Addr      string
	AdminAddr string `json:"admin_addr"`
}

// readLog passes on the start record, and reads on so that the server never waits for a reader.
func readLog(out io.Reader, started chan<- startRecord) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var record startRecord
		if json.Unmarshal(lines.Bytes(), &record) == nil && record.Msg == "carillon started" {
			started <- record
		}
	}
}

func (n *node) url(path string) string { return "http://" + n.addr + path }

// stop tells the server to stop, and answers its exit code. 66 is the race detector's.
func (n *node) stop(t *testing.T) int {
	t.Helper()
	require.NoError(t, n.cmd.Process.Signal(syscall.SIGTERM))
	return n.wait(t)
}

// kill ends the server without a word to anyone.
func (n *node) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, n.cmd.Process.Kill())
	n.wait(t)
}

func (n *node) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-n.ended:
	case <-time.After(patience):
		_ = n.cmd.Process.Kill()
		<-n.ended
		t.Error("the server did not stop")
	}
	return n.cmd.ProcessState.ExitCode()
}

// publish has an event acknowledged, and answers its id. Topic, type and data are sent as they are.
func (n *node) publish(t *testing.T, topic, kind, data string) string {
	t.Helper()
	query := url.Values{"topic": {topic}, "type": {kind}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url("/events?"+query.Encode()), strings.NewReader(data))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, resp.StatusCode, "%.200q of type %q: %s", data, kind, body)
	var answer struct{ ID string }
	require.NoError(t, json.Unmarshal(body, &answer))
	return answer.ID
}
