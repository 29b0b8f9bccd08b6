package proxy_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/clients/js/jstest"
)

// Every transport of the client passes the proxies. One that buffers passes nothing of a stream on: the client polls then, and
// misses and repeats nothing.
func TestClientThroughProxy(t *testing.T) {
	node, err := jstest.Node()
	require.NoError(t, err)
	buffering := []edit{{"proxy_buffering off;", "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"}}
	for _, test := range []struct {
		proxy   string
		edits   []edit
		options string
		want    string // the transport
	}{
		{"nginx", nil, `{"topics":["news"]}`, "sse"},
		{"nginx", nil, `{"topics":["news"],"transport":"poll"}`, "poll"},
		{"nginx", nil, `{"topics":["news"],"transport":"ws"}`, "ws"},
		{"nginx", buffering, `{"topics":["news"],"firstBytes":1000}`, "poll"},
		{"haproxy", nil, `{"topics":["news"]}`, "sse"},
		{"haproxy", nil, `{"topics":["news"],"transport":"poll"}`, "poll"},
		{"haproxy", nil, `{"topics":["news"],"transport":"ws"}`, "ws"},
	} {
		name := test.proxy + " " + test.want
		if test.edits != nil {
			name += " because of buffering"
		}
		t.Run(name, func(t *testing.T) {
			proxy := proxies[slices.IndexFunc(proxies, func(p proxy) bool { return p.name == test.proxy })]
			proxy.ready(t)
			n := startNode(t, "STREAM_HEARTBEAT=1h", "CLOCK_INTERVAL=1h")
			base := "https://" + proxy.start(t, []string{n.Addr}, test.edits...)
			c := jstest.Follow(t, node, base+"/events", test.options, "NODE_TLS_REJECT_UNAUTHORIZED=0", "NODE_NO_WARNINGS=1")
			assert.Equal(t, test.want, c.Await(t, "live").Transport)
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
