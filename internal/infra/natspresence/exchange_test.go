package natspresence_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carillon/internal/app/presence"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/infra/memlog"
	"carillon/internal/infra/natslog/natstest"
	"carillon/internal/infra/natspresence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const waitTimeout = 30 * time.Second

// discard is the sink of a stream that nobody reads.
type discard struct{}

func (discard) Send(items []*pubsub.Item) (int, error) { return len(items), nil }
func (discard) Flush() error                           { return nil }
func (discard) Heartbeat(event.Position) error         { return nil }
func (discard) Reset(pubsub.Reset) error               { return nil }
func (discard) Close(pubsub.EndReason)                 {}

type node struct {
	engine   *pubsub.Engine
	presence *presence.Presence
	stop     func()
}

func connect(t *testing.T, servers *natstest.Servers) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(strings.Join(servers.URLs(), ","), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.ReconnectBufSize(-1))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

func start(t *testing.T, servers *natstest.Servers) *node {
	t.Helper()
	log, err := memlog.New(pubsub.HistoryBounds{Events: 10, Bytes: 1 << 20, Age: time.Hour, Keys: 1, KeyWindow: time.Minute})
	require.NoError(t, err)
	engine, err := pubsub.New(pubsub.Config{
		Window: pubsub.WindowConfig{Events: 10, Bytes: 1 << 20, Age: time.Hour}, Heartbeat: time.Minute, Slow: pubsub.SlowClose,
	}, log, pubsubtest.NopObserver{})
	require.NoError(t, err)
	cfg := presence.Config{Interval: 100 * time.Millisecond, Grace: time.Second, MaxMembers: 10}
	p, err := presence.New(cfg, engine, natspresence.New(connect(t, servers), "test-presence"))
	require.NoError(t, err)
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	running.Go(func() { assert.NoError(t, engine.Run(ctx)) })
	running.Go(func() { assert.NoError(t, p.Run(ctx)) })
	n := &node{engine: engine, presence: p, stop: sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})}
	t.Cleanup(n.stop)
	return n
}

func (n *node) open(t *testing.T, id string, kind presence.Kind) *pubsub.Stream {
	t.Helper()
	topic := event.MustTopic("room/7")
	sub := pubsub.Subscription{
		Patterns: []event.Pattern{event.PatternOf(topic)}, Grant: access.Allow(event.Everything), Member: &access.Member{ID: id},
	}
	if kind != presence.None {
		sub.Notices = n.presence.Watch(kind, []event.Topic{topic})
	}
	stream, err := n.engine.Open(t.Context(), sub)
	require.NoError(t, err)
	stream.Attach(discard{})
	return stream
}

// sees waits until a node reads this.
func (n *node) sees(t *testing.T, want string) {
	t.Helper()
	var last string
	require.Eventually(t, func() bool {
		reports, err := n.presence.Read(t.Context(), presence.Members, []event.Topic{event.MustTopic("room/7")})
		require.NoError(t, err)
		text, err := json.Marshal(reports[0])
		require.NoError(t, err)
		last = string(text)
		return last == want
	}, waitTimeout, 20*time.Millisecond, "%s, and not %s", last, want)
}

func TestNodesSeeEachOtherOverNATS(t *testing.T) {
	servers := natstest.Start(t)
	a, b := start(t, servers), start(t, servers)
	first := a.open(t, "u1", presence.None)
	b.open(t, "u2", presence.Members)
	const both = `{"topic":"room/7","members":[{"id":"u1"},{"id":"u2"}],"streams":2}`
	a.sees(t, both)
	b.sees(t, both)
	first.End(pubsub.EndGone)
	b.sees(t, `{"topic":"room/7","members":[{"id":"u2"}],"streams":1}`)
	a.open(t, "u3", presence.None)
	b.sees(t, `{"topic":"room/7","members":[{"id":"u2"},{"id":"u3"}],"streams":2}`)
	a.stop()
	b.sees(t, `{"topic":"room/7","members":[{"id":"u2"}],"streams":1}`)
}

// After an outage of the server the nodes find each other again.
func TestNodesSeeEachOtherAfterAnOutage(t *testing.T) {
	servers := natstest.Start(t)
	a, b := start(t, servers), start(t, servers)
	b.open(t, "u2", presence.Members)
	a.open(t, "u1", presence.None)
	b.sees(t, `{"topic":"room/7","members":[{"id":"u1"},{"id":"u2"}],"streams":2}`)
	servers.Stop(0)
	a.open(t, "u3", presence.None)
	servers.Restart(0)
	b.sees(t, `{"topic":"room/7","members":[{"id":"u1"},{"id":"u2"},{"id":"u3"}],"streams":3}`)
}

func TestReceiveFailsWithoutAConnection(t *testing.T) {
	conn := connect(t, natstest.Start(t))
	conn.Close()
	exchange := natspresence.New(conn, "test-presence")
	exchange.Send([]byte("lost"))
	require.Error(t, exchange.Receive(t.Context(), func([]byte) {}))
}
