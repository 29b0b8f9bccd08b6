package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/clients/js/jstest"
)

// Pages see neither the status with which an upgrade is refused nor the server's pings.
func TestClientOverWebSocket(t *testing.T) {
	endToEnd(t)
	node, err := jstest.Node()
	require.NoError(t, err)
	n := startNode(t, append(quiet, "AUTH_ANONYMOUS_SUBSCRIBE=public/**")...)
	follow := func(t *testing.T, options string) *jstest.Client {
		return jstest.Follow(t, node, n.URL("/events"), `{"transport":"ws",`+options+`}`)
	}
	for name, refused := range map[string]struct {
		options string
		code    string
	}{
		"a token that is not valid": {`"topics":["secret"],"token":"wrong"`, "token_invalid"},
		"no token":                  {`"topics":["secret"]`, "unauthorized"},
		"a topic that is not valid": {`"topics":["public/**/a"]`, "invalid_topic"},
	} {
		t.Run("refused for "+name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, refused.code, follow(t, refused.options).Await(t, "refused").Problem.Code)
		})
	}
	t.Run("quiet", func(t *testing.T) {
		t.Parallel()
		c := follow(t, fmt.Sprintf(`"topics":["secret"],"silence":1500,"token":%q`, secret))
		c.Await(t, "live")
		<-time.After(5 * time.Second) // longer than the client lets a connection be silent
		n.publish(t, "secret", "", "after a while")
		next := c.Next(t, "something", func(jstest.Line) bool { return true })
		require.NotNil(t, next.Event, "%+v", next)
		assert.Equal(t, "after a while", next.Event.Data)
	})
	t.Run("drained", func(t *testing.T) {
		t.Parallel()
		stopping := startNode(t, quiet...)
		c := jstest.Follow(t, node, stopping.URL("/events"), `{"transport":"ws","topics":["a"]}`)
		c.Await(t, "live")
		stopping.Stop(t)
		assert.Equal(t, "drain", c.Await(t, "retrying").Problem.Code)
	})
}

func TestClientOverWebSocketInABrowser(t *testing.T) {
	endToEnd(t)
	n := startNode(t, "AUTH_ANONYMOUS_SUBSCRIBE=clock")
	clock := openClient(t, n.URL(""), `{transport: "ws"}`)
	clock.heard(2)
	news := openClient(t, n.URL(""), fmt.Sprintf(`{transport: "ws", topics: ["news"], token: () => %q}`, secret))
	news.untilClientIs("live")
	id := n.publish(t, "news", "greeting", "hello")
	news.heard(1)
	assert.Equal(t, shownEvent{ID: id, Type: "greeting", Data: "hello"}, eval[shownEvent](news, `received[0]`))
	assert.Equal(t, "ws", eval[string](news, `stream.status.transport`))
	n.Kill(t)
	news.untilClientIs("retrying")
	startNode(t, "HTTP_ADDR="+n.Addr, "AUTH_ANONYMOUS_SUBSCRIBE=clock")
	news.until(`resets.length === 1`)
}
