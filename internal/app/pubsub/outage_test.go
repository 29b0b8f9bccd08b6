package pubsub_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
)

// observer records what the engine says about its log.
type observer struct {
	pubsubtest.NopObserver
	notes *notes
}

type notes struct {
	mu   sync.Mutex
	list []string
}

func (o observer) note(format string, args ...any) {
	if o.notes != nil {
		o.notes.mu.Lock()
		defer o.notes.mu.Unlock()
		o.notes.list = append(o.notes.list, fmt.Sprintf(format, args...))
	}
}

func (n *notes) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.list
	n.list = nil
	return list
}

func (o observer) LogUnavailable(cause error)        { o.note("unavailable: %v", cause) }
func (o observer) LogAvailable(after time.Duration)  { o.note("available after %v", after) }
func (o observer) ReadFailed(cause error)            { o.note("read failed: %v", cause) }
func (o observer) LogReplaced(old, next event.Epoch) { o.note("replaced %s by %s", old, next) }
func (o observer) LogOvertook(entries uint64)        { o.note("overtook %d", entries) }

// observed starts an engine whose notes are recorded.
func observed(t *testing.T, cfg pubsub.Config, log pubsub.Log) (*pubsub.Engine, *notes) {
	t.Helper()
	seen := &notes{}
	engine, err := pubsub.New(cfg, log, observer{notes: seen})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); assert.NoError(t, engine.Run(ctx)) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return engine, seen
}

// A refusal during an outage names its cause. That of a publish whose outcome was unknown must not read as if the refused
// one may have been stored.
func TestARefusalNamesTheCauseOfTheOutage(t *testing.T) {
	for text, cause := range map[string]error{
		"log unavailable for 0s":                pubsub.ErrUnavailable,
		"log unavailable for 0s: disk full":     fmt.Errorf("%w: disk full", pubsub.ErrUnavailable),
		"log unavailable for 0s: no answer":     fmt.Errorf("%w: no answer", pubsub.ErrUnknownOutcome),
		"log unavailable for 0s: no connection": fmt.Errorf("%w: %w: no connection", pubsub.ErrUnknownOutcome, pubsub.ErrUnavailable),
	} {
		synctest.Test(t, func(t *testing.T) {
			log := newLog(0)
			engine, _ := observed(t, config(), log)
			log.Fail(cause)
			synctest.Wait() // before the log is looked at, whose failure would be the cause then
			_, err := engine.Publish(t.Context(), newEvent("x", "a"))
			require.ErrorIs(t, err, pubsub.ErrUnavailable)
			assert.NotErrorIs(t, err, pubsub.ErrUnknownOutcome)
			assert.EqualError(t, err, text)
		})
	}
}

// An outage is told once at its beginning and once at its end. Meanwhile publishing fails at once, and after a while the
// node is not ready.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(0)
		engine, seen := observed(t, config(), log)
		require.NoError(t, engine.Ready())
		assert.True(t, engine.LogAvailable())

		log.Fail(pubsub.ErrUnavailable)
		time.Sleep(9 * time.Second)
		require.NoError(t, engine.Ready(), "a short outage is none of the load balancer's business")
		assert.False(t, engine.LogAvailable())
		_, err := engine.Publish(t.Context(), newEvent("x", "a"))
		require.ErrorIs(t, err, pubsub.ErrUnavailable)
		assert.NotErrorIs(t, err, pubsub.ErrUnknownOutcome)
		time.Sleep(2 * time.Second)
		require.ErrorIs(t, engine.Ready(), pubsub.ErrUnavailable)
		require.ErrorContains(t, engine.Ready(), "for 11s")
		assert.Equal(t, []string{"unavailable: log unavailable"}, seen.take())

		log.Recover()
		time.Sleep(3 * time.Second)
		require.NoError(t, engine.Ready())
		assert.True(t, engine.LogAvailable())
		told := seen.take()
		require.Len(t, told, 1)
		assert.Contains(t, told[0], "available after 1")
		_, err = engine.Publish(t.Context(), newEvent("x", "a"))
		require.NoError(t, err)
		assert.Empty(t, seen.take())
	})
}

// behindLog is a log to which other nodes append all the time: when it is looked at, it always has an event more than this
// node has received, which comes a moment later.
type behindLog struct{ *fakeLog }

func (l behindLog) Look(ctx context.Context) (pubsub.Extent, error) {
	extent, err := l.fakeLog.Look(ctx)
	if err == nil {
		extent.Newest++
		time.AfterFunc(50*time.Millisecond, func() { _, _ = l.Append(context.Background(), []event.Event{newEvent("x", "a")}) })
	}
	return extent, err
}

// An outage ends also while other nodes publish all the time, so that the log is always looked at before the follower has
// received its newest event.
func TestOutageEndsUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := behindLog{newLog(0)}
		engine, _ := observed(t, config(), log)
		log.Fail(pubsub.ErrUnavailable)
		time.Sleep(5 * time.Second)
		assert.False(t, engine.LogAvailable())
		log.Recover()
		time.Sleep(5 * time.Second)
		assert.True(t, engine.LogAvailable())
	})
}

// unreadableLog takes events and cannot be read.
type unreadableLog struct{ *fakeLog }

func (unreadableLog) Read(context.Context, event.Position, int) ([]event.Entry, error) {
	return nil, fmt.Errorf("read: %w", pubsub.ErrUnavailable)
}

// A history that cannot be read does not keep a log that takes events from taking them. It is told, and is read again.
func TestUnreadableHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(0)
		start(t, config(), log).publish(10, "a")
		engine, seen := observed(t, config(), unreadableLog{log})
		st, err := engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.After("e1-3")})
		require.NoError(t, err)
		st.Attach(newSink())
		for _, start := range []pubsub.Start{pubsub.Last(3), pubsub.Since(time.Second)} {
			_, err = engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: start})
			require.ErrorIs(t, err, pubsub.ErrUnavailable)
		}
		time.Sleep(5 * time.Second)
		assert.True(t, engine.LogAvailable())
		_, err = engine.Publish(t.Context(), newEvent("x", "a"))
		require.NoError(t, err)
		told := seen.take()
		assert.Contains(t, told, "read failed: read: log unavailable")
		assert.NotContains(t, fmt.Sprint(told), "unavailable after")
		assert.NotContains(t, told, "unavailable: read: log unavailable")
		_, err = engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.Latest()})
		require.ErrorIs(t, err, pubsub.ErrUnavailable, "the newest events are not known yet")
		assert.True(t, engine.LogAvailable(), "the log is not to blame")
	})
}

// silentLog does not answer when it is looked at.
type silentLog struct{ *fakeLog }

func (silentLog) Look(ctx context.Context) (pubsub.Extent, error) {
	<-ctx.Done()
	return pubsub.Extent{}, ctx.Err()
}

// A log that does not answer in time is unavailable: a client is told so, and the engine goes on.
func TestLogWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(0)
		engine, _ := observed(t, config(), silentLog{log})
		_, err := engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.After("e1-3")})
		require.ErrorIs(t, err, pubsub.ErrUnavailable)
		log.Replace("e2", 3, "a")
		time.Sleep(time.Minute)
		assert.False(t, engine.LogAvailable())
		require.ErrorContains(t, engine.Ready(), "no answer within 2s") // it still runs
	})
}

// A publish whose context ends in the log may have happened.
func TestPublishOfUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, seen := observed(t, config(), newLog(0))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := engine.Publish(ctx, newEvent("x", "a"))
		require.ErrorIs(t, err, pubsub.ErrUnknownOutcome)
		require.ErrorIs(t, err, context.Canceled)
		assert.Empty(t, seen.take(), "the log is not to blame")
		assert.True(t, engine.LogAvailable())
	})
}

// A node that could not follow while the log trimmed is told, and its streams are reset.
func TestLogOvertakesNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(3)
		engine, seen := observed(t, config(), log)
		st, err := engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics})
		require.NoError(t, err)
		sink := newSink()
		st.Attach(sink)
		log.Fail(pubsub.ErrUnavailable)
		synctest.Wait()
		log.Recover()
		for n := range 10 { // by another node
			_, err := log.Append(t.Context(), []event.Event{newEvent(fmt.Sprint(n+1), "a")})
			require.NoError(t, err)
		}
		time.Sleep(5 * time.Second)
		assert.Equal(t, []string{"reset:expired@7", "8", "9", "10"}, sink.Text())
		assert.Contains(t, seen.take(), "overtook 7")
	})
}

// A node that starts fills its window from the log's history, and is ready once it has received all there was.
func TestFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(0)
		start(t, config(), log).publish(100, "a")
		cfg := config()
		cfg.Fill = 30
		engine, err := pubsub.New(cfg, log, pubsubtest.NopObserver{})
		require.NoError(t, err)
		require.ErrorContains(t, engine.Ready(), "reading the history, 30 events are left")
		running, _ := observed(t, cfg, log)
		require.NoError(t, running.Ready())
		assert.Equal(t, 30, running.Window().Events)
		log.Set(func(l *fakeLog) { l.reads = 0 })
		st, err := running.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.After("e1-70")})
		require.NoError(t, err)
		sink := newSink()
		st.Attach(sink)
		synctest.Wait()
		assert.Equal(t, numbers(71, 100), sink.Text())
		assert.Zero(t, log.Reads())
	})
}
