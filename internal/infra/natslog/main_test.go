package natslog_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/infra/natslog"
	"carillon/internal/infra/natslog/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is an open log that runs.
type node struct {
	*natslog.Log
	cfg     natslog.Config
	records *observer.ObservedLogs
	close   func() // may be called again
}

var streams atomic.Int64

// config returns the configuration of a log on a new stream.
func config(servers *natstest.Servers, limits pubsubtest.Limits) natslog.Config {
	return natslog.Config{
		Connection: natslog.Connection{
			URL: servers.URLs(), Stream: fmt.Sprint("TEST", streams.Add(1)), Manage: true, Replicas: len(servers.URLs()),
		},
		Bounds:     limits,
		EventBytes: 1 << 20, EventTopics: 16,
	}
}

// open opens a log and runs it until the test ends, or until it is closed. The first one of a stream deletes it then.
func open(t testing.TB, cfg natslog.Config) node {
	t.Helper()
	core, records := observer.New(zap.DebugLevel)
	log, err := natslog.Open(cfg, zap.New(core))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- log.Run(ctx) }()
	n := node{Log: log, cfg: cfg, records: records, close: sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-done)
		assert.NoError(t, log.Close())
	})}
	t.Cleanup(n.close)
	return n
}

// streamOf returns a client of the servers with JetStream, until the test ends.
func client(t testing.TB, servers *natstest.Servers) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	conn, err := nats.Connect(strings.Join(servers.URLs(), ","))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	return conn, js
}

func say(text string, topics ...string) event.Event { return eventtest.MustEvent(text, topics...) }

func keyed(text, key string) event.Event {
	e := say(text, "t")
	e.Key = eventtest.MustKey(key)
	return e
}

func publish(t testing.TB, log pubsub.Log, events ...event.Event) []event.Position {
	t.Helper()
	appended, err := log.Append(context.Background(), events)
	require.NoError(t, err)
	return pubsubtest.Positions(appended)
}

func texts(entries []event.Entry) []string {
	all := []string{}
	for _, e := range entries {
		all = append(all, e.Event.Data.String())
	}
	return all
}

// adapter is what the conformance suite needs of a log on servers.
func adapter(servers *natstest.Servers) pubsubtest.Adapter {
	asNode := func(t testing.TB, log pubsub.Log) node {
		n, ok := log.(node)
		require.True(t, ok)
		return n
	}
	return pubsubtest.Adapter{
		Open: func(t testing.TB, limits pubsubtest.Limits) pubsub.Log {
			cfg := config(servers, limits)
			cfg.RequestTime = 10 * time.Second // a slow machine is no fault
			t.Cleanup(func() {
				_, js := client(t, servers)
				assert.NoError(t, js.DeleteStream(context.Background(), cfg.Stream))
			})
			return open(t, cfg)
		},
		Reopen: func(t testing.TB, log pubsub.Log) pubsub.Log {
			old := asNode(t, log)
			old.close()
			return open(t, old.cfg)
		},
		Join: func(t testing.TB, log pubsub.Log) pubsub.Log { return open(t, asNode(t, log).cfg) },
		Replace: func(t testing.TB, log pubsub.Log) {
			_, js := client(t, servers)
			replace(t, js, asNode(t, log).cfg.Stream)
		},
	}
}

// replace deletes a stream and makes one with the same configuration.
func replace(t testing.TB, js jetstream.JetStream, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, name)
	require.NoError(t, err)
	cfg := stream.CachedInfo().Config
	require.NoError(t, js.DeleteStream(ctx, name))
	_, err = js.CreateStream(ctx, cfg)
	require.NoError(t, err)
}

func TestLogOnOneServer(t *testing.T) { pubsubtest.TestLog(t, adapter(natstest.Start(t))) }

func TestLogOnThreeServers(t *testing.T) { pubsubtest.TestLog(t, adapter(natstest.StartCluster(t))) }
