package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait for something that should happen soon. It is long because machines are slow, not programs.
const patience = 20 * time.Second

// secret may publish on every node.
const secret = "sesame-for-tests"

// record is one line of a node's log.
type record struct {
	Msg, Addr, Peer, Reason, Proto string
}

// node is one running Carillon.
type node struct {
	addr string
	cmd  *exec.Cmd
	done chan struct{} // closed once its log has been read to the end

	mu      sync.Mutex
	records []record
	more    chan struct{} // closed, and made anew, with each record
}

// startNode starts Carillon on a free port, with settings as KEY=VALUE, and ends it with the test.
func startNode(t *testing.T, settings ...string) *node {
	t.Helper()
	return startNodeAt(t, "127.0.0.1:0", settings...)
}

func startNodeAt(t *testing.T, addr string, settings ...string) *node {
	t.Helper()
	n := &node{cmd: exec.CommandContext(context.Background(), carillon), done: make(chan struct{}), more: make(chan struct{})}
	n.cmd.Env = append(bareEnvironment(), "CARILLON_HTTP_ADDR="+addr, "CARILLON_ADMIN_ADDR=127.0.0.1:0", "CARILLON_LOG_ENCODING=json", "CARILLON_AUTH_PUBLISH_TOKEN="+secret,
		"CARILLON_DRAIN_WINDOW=200ms", "CARILLON_DRAIN_TIMEOUT=5s")
	for _, setting := range settings {
		n.cmd.Env = append(n.cmd.Env, "CARILLON_"+setting)
	}
	out, err := n.cmd.StdoutPipe()
	require.NoError(t, err)
	n.cmd.Stderr = os.Stderr
	require.NoError(t, n.cmd.Start())
	go n.read(out)
	t.Cleanup(func() {
		_ = n.cmd.Process.Signal(syscall.SIGTERM) // it may have stopped already
		n.wait(t)
	})
	n.addr = n.await(t, "its start", func(r record) bool { return r.Msg == "carillon started" }).Addr
	return n
}

// bareEnvironment is this process's without any setting of Carillon's.
func bareEnvironment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CARILLON_") {
			env = append(env, v)
		}
	}
	return env
}

func (n *node) read(out io.Reader) {
	defer close(n.done)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var r record
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue
		}
		n.mu.Lock()
		n.records = append(n.records, r)
		close(n.more)
		n.more = make(chan struct{})
		n.mu.Unlock()
	}
}

// await answers the first record that fits, past or to come.
func (n *node) await(t *testing.T, what string, fits func(record) bool) record {
	t.Helper()
	limit := time.After(patience)
	for seen := 0; ; {
		n.mu.Lock()
		records, more := n.records, n.more
		n.mu.Unlock()
		for ; seen < len(records); seen++ {
			if fits(records[seen]) {
				return records[seen]
			}
		}
		select {
		case <-more:
		case <-n.done:
			require.FailNow(t, "a node ended before "+what)
		case <-limit:
			require.FailNow(t, "a node's log does not say "+what)
		}
	}
}

// awaitMany waits until so many records fit.
func (n *node) awaitMany(t *testing.T, many int, what string, fits func(record) bool) {
	t.Helper()
	found := 0
	n.await(t, what, func(r record) bool {
		if fits(r) {
			found++
		}
		return found == many
	})
}

func (n *node) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, n.cmd.Process.Signal(syscall.SIGTERM))
}

// wait waits for the process to end.
func (n *node) wait(t *testing.T) {
	t.Helper()
	select {
	case <-n.done:
	case <-time.After(patience + drainLimit):
		_ = n.cmd.Process.Kill()
		t.Error("a node did not stop")
	}
	_ = n.cmd.Wait() // how it ended is for those to judge who ended it
}

// drainLimit is more than any node of these tests may drain for.
const drainLimit = 40 * time.Second

// run runs a command of Carillon's to its end, and answers its exit code and what it said on standard error.
func run(t *testing.T, args []string, settings ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), carillon, args...)
	cmd.Env = bareEnvironment()
	for _, setting := range settings {
		cmd.Env = append(cmd.Env, "CARILLON_"+setting)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	_ = cmd.Run() // its exit code tells
	return cmd.ProcessState.ExitCode(), said.String()
}
