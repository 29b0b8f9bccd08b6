package cluster_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Both nodes count the streams of both.
func TestClusterPresence(t *testing.T) {
	c := start(t)
	counts := func(streams int) func() bool {
		return func() bool {
			for _, node := range c.nodes {
				if streamsOn(t, node.URL("/presence?topic="+topic)) != streams {
					return false
				}
			}
			return true
		}
	}
	first := subscribe(t, 3, "http://"+c.nodes[0].Addr, topic)
	second := subscribe(t, 2, "http://"+c.nodes[1].Addr, topic)
	until(t, "both nodes count all streams", counts(5))
	first.leave()
	until(t, "both nodes count the streams that are left", counts(2))
	second.leave()
	until(t, "nobody is left", counts(0))
}

// streamsOn returns how many streams of the topic a node counts.
func streamsOn(t *testing.T, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var content struct{ Topics []struct{ Streams int } }
	require.NoError(t, json.Unmarshal(text, &content), "%s", text)
	require.Len(t, content.Topics, 1, "%s", text)
	return content.Topics[0].Streams
}
