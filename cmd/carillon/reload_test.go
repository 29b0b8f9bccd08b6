package main

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
)

// A reload applies what may change and logs what needs a restart. Streams are not affected.
func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "carillon.yaml")
	configure := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	configure("auth: {publish_token: first}\nlog: {level: info}\n")
	s := program.Start(t, "CONFIG="+file, "CLOCK_INTERVAL=20ms")
	publish := func(query, token string) int {
		return servertest.Publish(t, s.URL("/events?"+query), token, "hello").StatusCode
	}
	stream := servertest.OpenClock(t, s.URL(""))
	require.Equal(t, http.StatusCreated, publish("topic=a", "first"))

	configure("auth: {publish_token: second}\nlog: {level: debug}\n" +
		"limits: {topics_per_event: 1}\nwindow: {events: 5}\nhttp: {cors: {origins: ['https://app.example.com']}}\n")
	s.Signal(t, syscall.SIGHUP)
	reloaded := s.AwaitMessage(t, "configuration reloaded")
	assert.Equal(t, []any{"auth.publish_token", "http.cors.origins", "limits.topics_per_event", "log.level"}, reloaded["taken"])
	assert.Equal(t, []any{"window.events"}, reloaded["needs_restart"])
	assert.Equal(t, http.StatusUnauthorized, publish("topic=a", "first"))
	assert.Equal(t, http.StatusCreated, publish("topic=a", "second"))
	assert.Equal(t, http.StatusBadRequest, publish("topic=a&topic=b", "second"))
	servertest.NextData(t, bufio.NewReader(stream.Body))

	configure("log: {level: loud}\n")
	s.Signal(t, syscall.SIGHUP)
	invalid := s.AwaitMessage(t, "configuration not reloaded: it is invalid")
	assert.Contains(t, invalid["error"], "log.level")
	assert.Equal(t, http.StatusCreated, publish("topic=a", "second"), "an invalid configuration changes nothing")
	servertest.NextData(t, bufio.NewReader(stream.Body))
}

// The service manager is notified that the server is ready, alive, reloading and stopping.
func TestServiceManagerIsNotified(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer manager.Close()
	require.NoError(t, manager.SetReadDeadline(time.Now().Add(servertest.WaitTimeout)))
	receive := func() string {
		buffer := make([]byte, 256)
		n, err := manager.Read(buffer)
		require.NoError(t, err)
		return string(buffer[:n])
	}
	receiveOther := func() string { // than WATCHDOG=1
		for {
			if state := receive(); state != "WATCHDOG=1" {
				return state
			}
		}
	}
	service := program
	service.Env = append(service.Env[:1:1], "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=100000")
	s := service.Start(t, "DRAIN_WINDOW=0s")
	assert.Equal(t, "READY=1", receive())
	assert.Equal(t, "WATCHDOG=1", receive())
	s.Signal(t, syscall.SIGHUP)
	assert.Regexp(t, `\ARELOADING=1\nMONOTONIC_USEC=\d+\n\z`, receiveOther())
	assert.Equal(t, "READY=1", receiveOther())
	s.Terminate(t)
	assert.Equal(t, "STOPPING=1", receiveOther())
	assert.Zero(t, s.Wait(t))
}
