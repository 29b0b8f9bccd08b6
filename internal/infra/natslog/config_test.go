package natslog_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/access"
	"carillon/internal/infra/natslog"
	"carillon/internal/infra/natslog/natstest"
)

const (
	waitTimeout = 20 * time.Second
	tick        = 20 * time.Millisecond
)

func goodConfig() natslog.Config {
	return natslog.Config{
		Connection: natslog.Connection{URL: []string{"nats://127.0.0.1:4222"}, Stream: "CARILLON", Manage: true, Replicas: 1},
		Bounds:     pubsubtest.LargeLimits(), EventBytes: 1 << 20, EventTopics: 16,
	}
}

func TestConfig(t *testing.T) {
	require.NoError(t, goodConfig().Validate())
	for problem, change := range map[string]func(*natslog.Config){
		"history.nats.url: must name a server, such as nats://127.0.0.1:4222 (got nothing)": func(c *natslog.Config) { c.URL = nil },
		`history.nats.url[1]: must be a URL such as nats://127.0.0.1:4222 or tls://nats.example.com (got "localhost:4222")`: func(c *natslog.Config) {
			c.URL = append(c.URL, "localhost:4222")
		},
		"history.nats.url[0]: must not contain a user or a token":                                        func(c *natslog.Config) { c.URL[0] = "nats://me:canary@h" },
		`history.nats.stream: must be 1 to 255 letters, digits, - and _ (got "a.b")`:                     func(c *natslog.Config) { c.Stream = "a.b" },
		`history.nats.stream: must be 1 to 255 letters, digits, - and _ (got "")`:                        func(c *natslog.Config) { c.Stream = "" },
		`history.nats.prefix: must be words of letters, digits, - and _, separated by dots (got "a..b")`: func(c *natslog.Config) { c.Prefix = "a..b" },
		`history.nats.prefix: must be words of letters, digits, - and _, separated by dots (got "a.>")`:  func(c *natslog.Config) { c.Prefix = "a.>" },
		"history.nats.replicas: must be 1, 3 or 5 (got 2)":                                               func(c *natslog.Config) { c.Replicas = 2 },
		"history.events: must be between 1 and 67108864 (got 0)":                                         func(c *natslog.Config) { c.Bounds.Events = 0 },
		"history.age: must be at least 100ms with history.backend nats (got 1ms)":                        func(c *natslog.Config) { c.Bounds.Age = time.Millisecond },
		"history.key_window: must be between 100ms and history.age, which is 24h0m0s, with history.backend nats (got 25h0m0s)": func(c *natslog.Config) {
			c.Bounds.KeyWindow = 25 * time.Hour
		},
		"history.nats.token: must be the only credentials (got also history.nats.user)":                    func(c *natslog.Config) { c.User, c.Token = "me", access.Secret("canary") },
		"history.nats.user: must be set together with history.nats.password (got nothing)":                 func(c *natslog.Config) { c.Password = access.Secret("canary") },
		`history.nats.tls.key_file: must be set together with history.nats.tls.cert_file (got "" and "c")`: func(c *natslog.Config) { c.TLS.CertFile = "c" },
		"limits.topics_per_event: must be at most 64 with history.backend nats (got 65)":                   func(c *natslog.Config) { c.EventTopics = 65 },
	} {
		cfg := goodConfig()
		change(&cfg)
		err := cfg.Validate()
		require.ErrorContains(t, err, problem)
		assert.NotContains(t, err.Error(), "canary", "no secret")
		_, err = natslog.Open(cfg, zap.NewNop())
		require.ErrorContains(t, err, problem)
	}
}

// The log makes the stream as it is configured, and changes it at the next start.
func TestManagedStream(t *testing.T) {
	servers := natstest.Start(t)
	_, js := client(t, servers)
	limits := pubsubtest.LargeLimits()
	limits.Events, limits.Bytes, limits.Age, limits.KeyWindow = 100, 1<<20, time.Hour, time.Minute
	cfg := config(servers, limits)
	n := open(t, cfg)
	assert.Len(t, n.records.FilterMessage("NATS stream created").All(), 1)
	assert.True(t, n.Durable())
	stream, err := js.Stream(t.Context(), cfg.Stream)
	require.NoError(t, err)
	is := stream.CachedInfo().Config
	assert.Equal(t, []string{strings.ToLower(cfg.Stream) + ".>"}, is.Subjects)
	assert.Equal(t, []any{int64(100), int64(1 << 20), time.Hour, time.Minute, 1}, []any{is.MaxMsgs, is.MaxBytes, is.MaxAge, is.Duplicates, is.Replicas})
	assert.Equal(t, []bool{true, true, true, true}, []bool{is.AllowDirect, is.AllowAtomicPublish, is.DenyDelete, is.DenyPurge})
	assert.Equal(t, []any{jetstream.LimitsPolicy, jetstream.DiscardOld, jetstream.FileStorage}, []any{is.Retention, is.Discard, is.Storage})
	first := publish(t, n, say("one", "t"))
	n.close()

	is.Description, is.Metadata = "of the operators", map[string]string{"owner": "us"}
	_, err = js.UpdateStream(t.Context(), is)
	require.NoError(t, err)
	cfg.Bounds.Events = 200
	n = open(t, cfg)
	assert.Equal(t, first[0].Epoch, n.Extent().Epoch, "the same epoch and the same events")
	stream, err = js.Stream(t.Context(), cfg.Stream)
	require.NoError(t, err)
	is = stream.CachedInfo().Config
	assert.EqualValues(t, 200, is.MaxMsgs)
	assert.Equal(t, "of the operators", is.Description, "the rest stays")
	assert.Equal(t, "us", is.Metadata["owner"])
	updated := n.records.FilterMessage("NATS stream updated").All()
	require.Len(t, updated, 1)
	assert.Equal(t, []any{"max_msgs: 100 to 200"}, updated[0].ContextMap()["changes"])
	n.close()
	assert.Empty(t, open(t, cfg).records.FilterMessage("NATS stream updated").All(), "nothing to change")
}

// A stream that somebody else manages is checked, and the error says what to change.
func TestStreamOfSomebodyElse(t *testing.T) {
	servers := natstest.Start(t)
	_, js := client(t, servers)
	limits := pubsubtest.LargeLimits()
	limits.Events = 100
	cfg := config(servers, limits)
	cfg.Manage, cfg.Prefix = false, "shop.events"
	start := time.Now()
	_, err := natslog.Open(cfg, zap.NewNop())
	require.ErrorContains(t, err, "history.nats.stream: must exist, because history.nats.manage is false")
	assert.Less(t, time.Since(start), 5*time.Second, "at once")

	good := jetstream.StreamConfig{
		Name: cfg.Stream, Subjects: []string{"shop.events.>"}, MaxMsgs: 100, Duplicates: limits.KeyWindow,
		AllowDirect: true, AllowAtomicPublish: true, DenyDelete: true,
	}
	for problem, change := range map[string]func(*jetstream.StreamConfig){
		"subjects must be shop.events.> (got [shop.>])":                                func(c *jetstream.StreamConfig) { c.Subjects = []string{"shop.>"} },
		"retention must be limits (got Interest)":                                      func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy },
		"discard must be old (got DiscardNew)":                                         func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardNew },
		"allow_direct must be true (got false)":                                        func(c *jetstream.StreamConfig) { c.AllowDirect = false },
		"allow_atomic must be true (got false)":                                        func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false },
		"deny_delete must be true (got false)":                                         func(c *jetstream.StreamConfig) { c.DenyDelete = false },
		"allow_msg_ttl must be false (got true)":                                       func(c *jetstream.StreamConfig) { c.AllowMsgTTL = true },
		"max_msgs_per_subject must be -1 (got 5)":                                      func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 },
		"max_msgs must be -1 or at least history.events, which is 100 (got 99)":        func(c *jetstream.StreamConfig) { c.MaxMsgs = 99 },
		"max_bytes must be -1 or at least history.bytes, which is 1073741824 (got 10)": func(c *jetstream.StreamConfig) { c.MaxBytes = 10 },
		"max_age must be 0s or at least history.age, which is 24h0m0s (got 1h0m0s)":    func(c *jetstream.StreamConfig) { c.MaxAge, c.Duplicates = time.Hour, time.Hour },
		"duplicate_window must be at least history.key_window, which is 24h0m0s (got 2m0s)": func(c *jetstream.StreamConfig) {
			c.Duplicates = 2 * time.Minute
		},
		"max_msg_size must be -1 or at least 1063424, which is limits.event_bytes and room for headers (got 1000)": func(c *jetstream.StreamConfig) {
			c.MaxMsgSize = 1000
		},
	} {
		bad := good
		change(&bad)
		_, err := js.CreateStream(t.Context(), bad)
		require.NoError(t, err, problem)
		_, err = natslog.Open(cfg, zap.NewNop())
		require.ErrorContains(t, err, "NATS stream "+cfg.Stream+": "+problem)
		require.NoError(t, js.DeleteStream(t.Context(), cfg.Stream))
	}
	_, err = js.CreateStream(t.Context(), good)
	require.NoError(t, err)
	n := open(t, cfg)
	publish(t, n, say("one", "orders/eu"))
	stream, err := js.Stream(t.Context(), cfg.Stream)
	require.NoError(t, err)
	msg, err := stream.GetMsg(t.Context(), 1)
	require.NoError(t, err)
	assert.Equal(t, "shop.events.orders.eu", msg.Subject)
	assert.Empty(t, n.records.FilterMessage("NATS stream updated").All())
}

// What an operator must change stops the start at once and with words.
func TestStartIsRefused(t *testing.T) {
	servers := natstest.Start(t, func(o *server.Options) { o.MaxPayload = 1 << 20 })
	cfg := config(servers, pubsubtest.LargeLimits())
	_, err := natslog.Open(cfg, zap.NewNop())
	require.EqualError(t, err, "limits.event_bytes: must be at most 1033728 with this NATS server, whose max_payload is 1048576: "+
		"set max_payload to 1063424 or more there, or lower the limit (got 1048576)")

	cfg.EventBytes = 1000
	_, js := client(t, servers)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{strings.ToLower(cfg.Stream) + ".a"}})
	require.NoError(t, err)
	_, err = natslog.Open(cfg, zap.NewNop())
	require.ErrorContains(t, err, "history.nats.stream: cannot create "+cfg.Stream)
	require.ErrorContains(t, err, "subjects overlap with an existing stream")

	cfg = config(servers, pubsubtest.LargeLimits())
	cfg.EventBytes, cfg.Replicas = 1000, 3
	_, err = natslog.Open(cfg, zap.NewNop())
	require.ErrorContains(t, err, "replicas > 1 not supported in non-clustered mode")
}

// Servers that are not there yet are waited for.
func TestStartWaitsForServers(t *testing.T) {
	servers := natstest.Start(t)
	cfg := config(servers, pubsubtest.LargeLimits())
	servers.Stop(0)
	listener, err := net.Listen("tcp", strings.TrimPrefix(servers.URLs()[0], "nats://"))
	require.NoError(t, err)
	opened := make(chan error, 1)
	go func() {
		log, err := natslog.Open(cfg, zap.NewNop())
		if err == nil {
			_, err = log.Look(context.Background())
			_ = log.Close()
		}
		opened <- err
	}()
	first, err := listener.Accept() // its first try
	require.NoError(t, err)
	require.NoError(t, first.Close())
	require.NoError(t, listener.Close())
	servers.Restart(0)
	require.NoError(t, <-opened)
}
