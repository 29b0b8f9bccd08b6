package server_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/config"
	"carillon/cmd/carillon/internal/server"
	"carillon/cmd/carillon/internal/servertest"
	"carillon/internal/infra/natslog/natstest"
)

// resume returns the events that a client gets that comes back with the id it received last, up to and including one.
func resume(t *testing.T, s *servertest.Server, lastID, until string) (events []string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL("/events?topic=a"), http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Last-Event-ID", lastID)
	response := servertest.Do(t, r)
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if event, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			events = append(events, event)
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			events = append(events, data)
			if data == until {
				return events
			}
		}
	}
	require.FailNow(t, "the stream ended", "%v", events)
	return nil
}

func publishTo(t *testing.T, s *servertest.Server, data, key string) (id string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL("/events?topic=a"), strings.NewReader(data))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer sesame")
	r.Header.Set("Idempotency-Key", key)
	response := servertest.Do(t, r)
	defer response.Body.Close()
	require.Equal(t, http.StatusCreated, response.StatusCode)
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSuffix(strings.TrimPrefix(line, `{"id":"`), "\"}\n")
}

// With the log on disk a restart is nothing that a client or a publisher notices: no reset, no repeat, and known keys.
func TestLogOnDiskSurvivesARestart(t *testing.T) {
	options := servertest.Options{Settings: []string{
		"AUTH_PUBLISH_TOKEN=sesame", "CLOCK_INTERVAL=1h", "HISTORY_BACKEND=disk", "HISTORY_DISK_PATH=" + t.TempDir(),
	}}
	first := servertest.Start(t, options)
	opened := first.AwaitMessage(t, "history opened")
	assert.Equal(t, true, opened["created"])
	one := publishTo(t, first, "one", "k1")
	two := publishTo(t, first, "two", "k2")
	require.NoError(t, first.Stop())

	second := servertest.Start(t, options)
	opened = second.AwaitMessage(t, "history opened")
	assert.Equal(t, false, opened["created"])
	assert.Equal(t, two, publishTo(t, second, "two", "k2"), "the key is known")
	publishTo(t, second, "three", "k3")
	assert.Equal(t, []string{"two", "three"}, resume(t, second, one, "three"))
}

// A directory that another server uses is refused with words.
func TestLogOnDiskIsUsedByOneServer(t *testing.T) {
	dir := t.TempDir()
	servertest.Start(t, servertest.Options{Settings: []string{"HISTORY_BACKEND=disk", "HISTORY_DISK_PATH=" + dir}})
	loaded, err := config.Load("", []string{
		"CARILLON_HTTP_ADDR=127.0.0.1:0", "CARILLON_ADMIN_ADDR=", "CARILLON_HISTORY_BACKEND=disk", "CARILLON_HISTORY_DISK_PATH=" + dir,
	})
	require.NoError(t, err)
	var out strings.Builder
	_, err = server.Start(t.Context(), server.Options{Config: loaded, Build: server.Build{Version: "test"}, Output: &out})
	require.ErrorContains(t, err, "history.disk.path: ")
	require.ErrorContains(t, err, "in use by another process")
	assert.NotContains(t, err.Error(), "fx", "no word of the wiring")
}

// Two nodes on one NATS stream are one log: a client goes on at the other node where it was, a key holds on both, and the
// stream survives the restart of a node.
func TestNodesShareALog(t *testing.T) {
	servers := natstest.Start(t)
	options := servertest.Options{Settings: []string{
		"AUTH_PUBLISH_TOKEN=sesame", "CLOCK_INTERVAL=1h", "HISTORY_BACKEND=nats", "HISTORY_NATS_URL=" + servers.URLs()[0],
		"HISTORY_NATS_STREAM=SHOP",
	}}
	a, b := servertest.Start(t, options), servertest.Start(t, options)
	opened := b.AwaitMessage(t, "history opened")
	assert.Equal(t, "SHOP", opened["stream"])
	assert.Equal(t, "shop.>", opened["subjects"])
	one := publishTo(t, a, "one", "k1")
	two := publishTo(t, b, "two", "k2")
	assert.Equal(t, two, publishTo(t, a, "two", "k2"), "the key is known")
	publishTo(t, a, "three", "k3")
	assert.Equal(t, []string{"two", "three"}, resume(t, b, one, "three"))
	require.NoError(t, a.Stop())
	publishTo(t, b, "four", "k4")
	a = servertest.Start(t, options)
	assert.Equal(t, []string{"two", "three", "four"}, resume(t, a, one, "four"))

	conn, err := nats.Connect(servers.URLs()[0])
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Request("shop.a", []byte("five"), 10*time.Second)
	require.NoError(t, err)
	assert.Equal(t, []string{"three", "four", "five"}, resume(t, b, two, "five"), "what another program publishes")
}

// What does not fit NATS is refused with the other settings.
func TestLogOnNATSIsChecked(t *testing.T) {
	_, err := config.Load("", []string{
		"CARILLON_HISTORY_BACKEND=nats", "CARILLON_HISTORY_NATS_REPLICAS=2", "CARILLON_HISTORY_KEY_WINDOW=48h", "CARILLON_LIMITS_BATCH_EVENTS=2000",
		"CARILLON_LIMITS_PUBLISH_BURST=2000",
	})
	require.ErrorContains(t, err, "history.nats.replicas: must be 1, 3 or 5 (got 2) (set in CARILLON_HISTORY_NATS_REPLICAS)")
	require.ErrorContains(t, err, "history.key_window: must be between 100ms and history.age")
	require.ErrorContains(t, err, "limits.batch_events: must be at most 1000 with history.backend nats (got 2000)")
}
