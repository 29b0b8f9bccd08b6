package main

import (
	"bufio"
	"fmt"
	"io"
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

	"carillon/cmd/carillon/internal/servertest"
	"carillon/internal/infra/tokens"
)

// A reload applies what may change and logs what needs a restart. Streams whose rights remain are not affected.
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

// A reload ends the streams that the new rules no longer allow, and no other.
func TestAReloadEndsStreamsThatMayNoLonger(t *testing.T) {
	const first, second = "the first key, which is long enough", "the second key, which is long enough"
	file := filepath.Join(t.TempDir(), "carillon.yaml")
	configure := func(token, anonymous, key string) {
		text := fmt.Sprintf("auth: {publish_token: %s, anonymous: {subscribe: %s}, jwt: {key: %q}}\n", token, anonymous, key)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	jwt := func(key, subject string) string {
		token, err := tokens.Sign(tokens.SignRequest{
			Algorithm: "HS256", Key: []byte(key), Subject: subject, Subscribe: []string{"private/**"}, TTL: time.Hour,
		}, time.Now())
		require.NoError(t, err)
		return token
	}
	configure("old", "[clock, open]", first)
	s := program.Start(t, "CONFIG="+file, "CLOCK_INTERVAL=20ms", "ADMIN_ADDR=127.0.0.1:0", "LOG_LEVEL=debug")
	listen := func(topic, token string) *bufio.Reader {
		response := servertest.GetWithToken(t, s.URL("/events?topic="+topic), token)
		require.Equal(t, http.StatusOK, response.StatusCode, topic)
		return bufio.NewReader(response.Body)
	}
	status := func(topic, token string) int {
		return servertest.GetWithToken(t, s.URL("/events?topic="+topic), token).StatusCode
	}
	endsWith := func(reason string, stream *bufio.Reader) {
		t.Helper()
		rest, err := io.ReadAll(stream)
		require.NoError(t, err)
		assert.Contains(t, string(rest), "event: carillon.goaway\ndata: {\"reason\":\""+reason+"\"}\n\n")
	}

	clock, open, byToken, byKey := listen("clock", ""), listen("open", ""), listen("private/a", "old"), listen("private/a", jwt(first, "ada"))
	configure("new", "[clock]", second)
	s.Signal(t, syscall.SIGHUP)
	for name, stream := range map[string]*bufio.Reader{"an anonymous pattern": open, "the publish token": byToken, "the key of a JWT": byKey} {
		endsWith("rights_changed", stream)
		t.Log(name, "was taken away")
	}
	s.AwaitMessage(t, "streams ended: their rights have changed")
	servertest.NextData(t, clock)
	assert.Equal(t, http.StatusUnauthorized, status("open", ""))
	assert.Equal(t, http.StatusUnauthorized, status("private/a", "old"))
	assert.Equal(t, http.StatusUnauthorized, status("private/a", jwt(first, "ada")))

	// An operator closes the streams of a subject and keeps it out.
	expel := func(query string) string {
		response := servertest.Publish(t, "http://"+s.AdminAddr+"/streams/close?"+query, "", "")
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return fmt.Sprint(response.StatusCode, " ", strings.TrimSpace(string(body)))
	}
	ada, ben := jwt(second, "ada"), jwt(second, "ben")
	adas, bens := listen("private/a", ada), listen("private/a", ben)
	assert.Equal(t, `200 {"closed":1}`, expel("subject=ada&deny_for=1h"))
	endsWith("closed", adas)
	refused := servertest.GetWithToken(t, s.URL("/events?topic=private/a"), ada)
	assert.Equal(t, http.StatusForbidden, refused.StatusCode)
	assert.Equal(t, "3600", refused.Header.Get("Retry-After"))
	body, err := io.ReadAll(refused.Body)
	require.NoError(t, err)
	assert.Contains(t, string(body), `"code":"subject_denied"`)
	assert.Equal(t, `200 {"closed":0}`, expel("subject=ada"))
	assert.Equal(t, http.StatusOK, status("private/a", ada), "the denial was lifted")
	require.Equal(t, http.StatusCreated, servertest.Publish(t, s.URL("/events?topic=private/a"), "new", "hello").StatusCode)
	assert.Equal(t, "hello", servertest.NextData(t, bens))
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
