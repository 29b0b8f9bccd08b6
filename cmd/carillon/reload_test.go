package main

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A reload takes what may change, says what needs a restart, and no stream notices.
func TestReload(t *testing.T) {
	file := fileOf(t, "auth: {publish_token: first}\nlog: {level: info}\n")
	p := launch(t, "CARILLON_CONFIG="+file)
	stream := p.clock(t)
	require.Equal(t, http.StatusCreated, publish(t, p.addr, "a", "first"))

	require.NoError(t, os.WriteFile(file, []byte("auth: {publish_token: second}\nlog: {level: debug}\n"+
		"limits: {topics_per_event: 1}\nwindow: {events: 5}\nhttp: {cors: {origins: ['https://app.example.com']}}\n"), 0o600))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	told := p.await(t, "configuration reloaded")
	assert.Equal(t, []any{"auth.publish_token", "http.cors.origins", "limits.topics_per_event", "log.level"}, told["taken"])
	assert.Equal(t, []any{"window.events"}, told["needs_restart"])
	assert.Equal(t, http.StatusUnauthorized, publish(t, p.addr, "a", "first"))
	assert.Equal(t, http.StatusCreated, publish(t, p.addr, "a", "second"))
	assert.Equal(t, http.StatusBadRequest, publish(t, p.addr, "a&topic=b", "second"))
	nextData(t, bufio.NewReader(stream.Body))

	require.NoError(t, os.WriteFile(file, []byte("log: {level: loud}\n"), 0o600))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	wrong := p.await(t, "configuration not reloaded: it is wrong")
	assert.Contains(t, wrong["error"], "log.level")
	assert.Equal(t, http.StatusCreated, publish(t, p.addr, "a", "second"), "a wrong configuration changes nothing")
	nextData(t, bufio.NewReader(stream.Body))
}

// The service manager hears that the server is ready, well, reloading and stopping.
func TestServiceManagerIsTold(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer manager.Close()
	require.NoError(t, manager.SetReadDeadline(time.Now().Add(20*time.Second)))
	hear := func() string {
		buffer := make([]byte, 256)
		n, err := manager.Read(buffer)
		require.NoError(t, err)
		first, _, _ := strings.Cut(string(buffer[:n]), "\n")
		return first
	}
	p := launch(t, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=100000", "CARILLON_DRAIN_WINDOW=0s")
	assert.Equal(t, "READY=1", hear())
	assert.Equal(t, "WATCHDOG=1", hear())
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	for _, want := range []string{"RELOADING=1", "READY=1"} {
		heard := hear()
		for heard == "WATCHDOG=1" {
			heard = hear()
		}
		assert.Equal(t, want, heard)
	}
	p.signal(t)
	heard := hear()
	for heard == "WATCHDOG=1" {
		heard = hear()
	}
	assert.Equal(t, "STOPPING=1", heard)
	assert.Zero(t, p.wait())
}
