package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
)

// secret is the token for publishing on every node.
const secret = "sesame-for-tests"

// quiet are settings with which a stream carries only what the test publishes: nothing follows an event that could push it
// out of a buffer.
var quiet = []string{"CLOCK_INTERVAL=1h", "STREAM_HEARTBEAT=1h"}

// node is a running server.
type node struct{ *servertest.Process }

// startNode starts a server on a free port, with settings of the form KEY=VALUE.
func startNode(t *testing.T, settings ...string) *node {
	t.Helper()
	return &node{program.Start(t, append([]string{"AUTH_PUBLISH_TOKEN=" + secret, "STREAM_RETRY=300ms"}, settings...)...)}
}

// publish publishes an event and returns its id. Topic, type and data are sent as they are.
func (n *node) publish(t *testing.T, topic, kind, data string) string {
	t.Helper()
	query := url.Values{"topic": {topic}, "type": {kind}}
	response := servertest.Publish(t, n.URL("/events?"+query.Encode()), secret, data)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, response.StatusCode, "%.200q of type %q: %s", data, kind, body)
	var published struct{ ID string }
	require.NoError(t, json.Unmarshal(body, &published))
	return published.ID
}
