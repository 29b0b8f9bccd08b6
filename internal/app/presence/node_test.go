package presence_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/presence"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/infra/memlog"
)

const interval = time.Second

func config() presence.Config {
	return presence.Config{Interval: interval, Grace: 15 * time.Second, MaxMembers: 5, PublicCount: true}
}

// node is a running engine with presence.
type node struct {
	t        testing.TB
	engine   *pubsub.Engine
	presence *presence.Presence
	interval time.Duration
	stop     func()
}

func start(t testing.TB, cfg presence.Config, exchange presence.Exchange) *node {
	t.Helper()
	log, err := memlog.New(memlog.Config{Events: 100, Bytes: 1 << 20, Age: time.Hour, Keys: 1, KeyWindow: time.Minute})
	require.NoError(t, err)
	engine, err := pubsub.New(pubsub.Config{
		Window:    pubsub.WindowConfig{Events: 50, Bytes: 1 << 20, Age: time.Hour},
		Heartbeat: 15 * time.Second, Slow: pubsub.SlowClose, Shards: 3,
	}, log, pubsubtest.NopObserver{})
	require.NoError(t, err)
	p, err := presence.New(cfg, engine, exchange)
	require.NoError(t, err)
	n := &node{t: t, engine: engine, presence: p, interval: cfg.Interval}
	var running sync.WaitGroup
	ctx, stopEngine := context.WithCancel(context.Background())
	running.Go(func() { assert.NoError(t, engine.Run(ctx)) })
	telling, stopPresence := context.WithCancel(context.Background())
	told := make(chan struct{})
	running.Go(func() {
		defer close(told)
		assert.NoError(t, p.Run(telling))
	})
	n.stop = sync.OnceFunc(func() {
		stopPresence()
		<-told
		stopEngine()
		running.Wait()
	})
	t.Cleanup(n.stop)
	return n
}

func topics(texts ...string) (list []event.Topic) {
	for _, text := range texts {
		list = append(list, event.MustTopic(text))
	}
	return list
}

// subscription returns one to the topics of a member, nobody for "".
func (n *node) subscription(id string, kind presence.Kind, texts ...string) pubsub.Subscription {
	sub := pubsub.Subscription{Grant: access.Allow(event.Everything)}
	for _, text := range texts {
		p, err := event.ParsePattern(text)
		require.NoError(n.t, err)
		sub.Patterns = append(sub.Patterns, p)
	}
	if id != "" {
		sub.Member = &access.Member{ID: id, Info: `{"name":"` + id + `"}`}
	}
	if kind != presence.None {
		sub.Notices = n.presence.Watch(kind, topics(texts...))
	}
	return sub
}

func (n *node) open(id string, kind presence.Kind, texts ...string) (*pubsub.Stream, *client) {
	n.t.Helper()
	return n.attach(n.subscription(id, kind, texts...))
}

func (n *node) attach(sub pubsub.Subscription) (*pubsub.Stream, *client) {
	n.t.Helper()
	stream, err := n.engine.Open(context.Background(), sub)
	require.NoError(n.t, err)
	c := newClient(n.interval)
	stream.Attach(c)
	return stream, c
}

// read returns what GET /presence would.
func (n *node) read(kind presence.Kind, texts ...string) string {
	n.t.Helper()
	reports, err := n.presence.Read(context.Background(), kind, topics(texts...))
	require.NoError(n.t, err)
	text, err := json.Marshal(reports)
	require.NoError(n.t, err)
	return string(text)
}
