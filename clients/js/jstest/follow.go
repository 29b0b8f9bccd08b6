package jstest

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Event is an event as the client hands it over.
type Event struct {
	ID     string
	Topics []string
	Type   string
	Time   time.Time
	Data   string
}

// Problem is why there is no connection.
type Problem struct {
	Title, Code string
	Status      int
}

// Status is a status of the client.
type Status struct {
	State, Transport string
	Problem          Problem
}

// Line is one thing that the client was told.
type Line struct {
	Event  *Event
	Reset  *struct{ Reason string }
	Status *Status
}

// Client is the client in a Node.js process.
type Client struct {
	lines chan Line // closed when the process has ended
}

// Follow starts the client with options, which are in its JSON form. It is closed at the end of the test, and must then end
// in order. env are variables of the form KEY=VALUE for the process.
func Follow(t testing.TB, node, url, options string, env ...string) *Client {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	require.True(t, ok)
	cmd := exec.CommandContext(context.Background(), node, filepath.Join(filepath.Dir(file), "../test/follow.mjs"), url, options)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c := &Client{lines: make(chan Line, 10_000)}
	go func() {
		defer close(c.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var line Line
			if json.Unmarshal(lines.Bytes(), &line) == nil {
				c.lines <- line
			}
		}
	}()
	t.Cleanup(func() {
		assert.NoError(t, in.Close())
		for range c.lines { // until its end
		}
		assert.NoError(t, cmd.Wait())
	})
	return c
}

// Next returns the next line that fits; those before it are dropped.
func (c *Client) Next(t testing.TB, what string, fits func(Line) bool) Line {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-c.lines:
			require.True(t, ok, "the client ended before %s", what)
			if fits(line) {
				return line
			}
		case <-limit:
			require.FailNow(t, "the client was not told "+what)
		}
	}
}

// NextEvent returns the next event.
func (c *Client) NextEvent(t testing.TB) Event {
	t.Helper()
	return *c.Next(t, "an event", func(l Line) bool { return l.Event != nil }).Event
}

// Await returns the next status with this state.
func (c *Client) Await(t testing.TB, state string) Status {
	t.Helper()
	return *c.Next(t, state, func(l Line) bool { return l.Status != nil && l.Status.State == state }).Status
}
