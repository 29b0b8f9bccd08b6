package proxy_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/clients/js/jstest"
)

// A proxy that buffers passes nothing of a stream on. The client polls then, and misses and repeats nothing.
func TestClientPollsThroughAProxyThatBuffers(t *testing.T) {
	node, err := jstest.Node()
	require.NoError(t, err)
	for name, edits := range map[string][]edit{
		"buffering":     {{"proxy_buffering off;", "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"}},
		"not buffering": nil,
	} {
		t.Run(name, func(t *testing.T) {
			needs(t, "nginx")
			t.Parallel()
			n := startNode(t, "STREAM_HEARTBEAT=1h", "CLOCK_INTERVAL=1h")
			base := "https://" + startNginx(t, []string{n.Addr}, edits...)
			c := jstest.Follow(t, node, base+"/events", `{"topics":["news"],"firstBytes":1000}`, "NODE_TLS_REJECT_UNAUTHORIZED=0", "NODE_NO_WARNINGS=1")
			want := "poll"
			if edits == nil {
				want = "sse"
			}
			assert.Equal(t, want, c.Await(t, "live").Transport)
			tr := transport(t, 1, clientA)
			for i := range 50 {
				publish(t, tr, base, fmt.Sprint(i))
			}
			for i := range 50 {
				assert.Equal(t, fmt.Sprint(i), c.NextEvent(t).Data)
			}
		})
	}
}
