package disklog_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/infra/disklog"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(appenderEnv); dir != "" {
		os.Exit(runAppenders(dir))
	}
	// bbolt leaves this goroutine behind when its walk over a damaged file, in the test of random damage, finds what the
	// scan before it did not. A server ends then.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.etcd.io/bbolt.(*DB).freepages.func2"))
}

func config(dir string, limits pubsubtest.Limits) disklog.Config {
	return disklog.Config{Path: dir, HistoryBounds: limits}
}

// instance is an open log whose committer runs.
type instance struct {
	*disklog.Log
	cfg   disklog.Config
	close func() // may be called again
}

// open opens a log and runs it until the test ends, or until it is closed.
func open(t testing.TB, cfg disklog.Config) instance {
	t.Helper()
	log, err := disklog.Open(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- log.Run(ctx) }()
	i := instance{Log: log, cfg: cfg, close: sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-done)
		assert.NoError(t, log.Close())
	})}
	t.Cleanup(i.close)
	return i
}

func TestLog(t *testing.T) {
	pubsubtest.TestLog(t, pubsubtest.Adapter{
		Open: func(t testing.TB, limits pubsubtest.Limits) pubsub.Log {
			return open(t, config(memoryDir(t), limits))
		},
		Reopen: func(t testing.TB, log pubsub.Log) pubsub.Log {
			old, ok := log.(instance)
			require.True(t, ok)
			old.close()
			return open(t, old.cfg)
		},
		FakeTime:    true,
		SameProcess: true,
		Exact:       true,
	})
}

// memoryDir returns a directory in memory where there is one. A test that appends very often and does not end its process
// needs no disk.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "disklog") //nolint:usetesting // in memory, where a commit costs no fsync
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func say(t testing.TB, text, key string) event.Event {
	t.Helper()
	data, err := event.ParseData(text)
	require.NoError(t, err)
	k, err := event.ParseKey(key)
	require.NoError(t, err)
	return event.Event{Topics: []event.Topic{event.MustTopic("t")}, Data: data, Key: k}
}

func publish(t testing.TB, log pubsub.Log, events ...event.Event) []event.Position {
	t.Helper()
	appended, err := log.Append(context.Background(), events)
	require.NoError(t, err)
	return pubsubtest.Positions(appended)
}

func readAll(t testing.TB, log pubsub.Log) []event.Entry {
	t.Helper()
	entries, err := log.Read(context.Background(), log.Extent().At(log.Extent().Oldest-1), 1<<30)
	require.NoError(t, err)
	return entries
}

func texts(entries []event.Entry) []string {
	all := []string{}
	for _, e := range entries {
		all = append(all, e.Event.Data.String())
	}
	return all
}
