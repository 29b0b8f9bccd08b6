package natslog_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/infra/natslog/natstest"
)

// A node works with the permissions that docs/nats.md lists, and with no others.
func TestPermissions(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/nats.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(guide), "| publish to | for |")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "and subscribe to `_INBOX.>`")
	var subjects []string
	for i, part := range strings.Split(table, "`") {
		if i%2 == 1 && strings.Contains(part, "<") {
			subjects = append(subjects, strings.NewReplacer("<stream>", "SHOP", "<prefix>", "shop").Replace(part))
		}
	}
	require.Len(t, subjects, 10)
	servers := natstest.Start(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "node", Password: "p", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: subjects},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}}}
	})
	cfg := config(servers, pubsubtest.LargeLimits())
	cfg.Stream, cfg.User, cfg.Password = "SHOP", "node", "p"
	n := open(t, cfg)
	n.close()
	cfg.Bounds.Events = 100
	n = open(t, cfg)
	c := collect(t, n, nil)
	publish(t, n, say("one", "t"), keyed("two", "k"))
	publish(t, n, say("three", "t"), keyed("two", "k"))
	assert.Equal(t, []string{"one", "two", "three"}, texts(c.upTo(t, 3)))
	entries, err := n.Read(t.Context(), n.Extent().At(0), 10)
	require.NoError(t, err)
	assert.Len(t, entries, 3)
	servers.Stop(0)
	servers.Restart(0)
	require.Eventually(t, func() bool { _, err := n.Look(t.Context()); return err == nil }, patience, tick)
	publish(t, n, say("four", "t"))
	c.upTo(t, 4)
	n.close()
	assert.Empty(t, n.records.FilterMessage("NATS refused something").All())
}

// The stream in docs/nats.md fits the default settings of a node that does not manage it.
func TestDocumentedStream(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/nats.md")
	require.NoError(t, err)
	_, example, _ := strings.Cut(string(guide), "```json\n")
	example, _, _ = strings.Cut(example, "```")
	servers := natstest.StartCluster(t)
	conn, _ := client(t, servers)
	reply, err := conn.Request("$JS.API.STREAM.CREATE.CARILLON", []byte(example), patience)
	require.NoError(t, err)
	require.NotContains(t, string(reply.Data), `"error"`)
	cfg := config(servers, pubsubtest.Limits{Events: 50_000, Bytes: 64 << 20, Age: 24 * time.Hour, Keys: 100_000, KeyWindow: 10 * time.Minute})
	cfg.Stream, cfg.Manage = "CARILLON", false
	publish(t, open(t, cfg), say("one", "t"))
}
