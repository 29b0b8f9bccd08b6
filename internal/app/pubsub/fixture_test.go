package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// allTopics is a grant for every topic.
var allTopics = access.Allow(event.Everything)

func config() pubsub.Config {
	return pubsub.Config{
		Window:    pubsub.WindowConfig{Events: 1024, Bytes: 1 << 20, Age: time.Hour},
		Heartbeat: 15 * time.Second,
		Slow:      pubsub.SlowClose,
		Shards:    2,
	}
}

// fixture is a running engine over a fake log.
type fixture struct {
	t         testing.TB
	log       *fakeLog
	engine    *pubsub.Engine
	stop      func() error // ends Run and returns its error
	published int          // how many events were published
}

func start(t testing.TB, cfg pubsub.Config, log *fakeLog) *fixture {
	t.Helper()
	engine, err := pubsub.New(cfg, log, pubsubtest.NopObserver{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var result error
	go func() {
		defer close(done)
		result = engine.Run(ctx)
	}()
	f := &fixture{t: t, log: log, engine: engine, stop: func() error {
		cancel()
		<-done
		return result
	}}
	t.Cleanup(func() { _ = f.stop() })
	return f
}

func pattern(text string) event.Pattern {
	p, err := event.ParsePattern(text)
	if err != nil {
		panic(err)
	}
	return p
}

func patterns(texts ...string) []event.Pattern {
	var ps []event.Pattern
	for _, text := range texts {
		ps = append(ps, pattern(text))
	}
	return ps
}

// newEvent returns an event with data and topics.
func newEvent(data string, topics ...string) event.Event {
	d, err := event.ParseData(data)
	if err != nil {
		panic(err)
	}
	e := event.Event{Data: d}
	for _, topic := range topics {
		e.Topics = append(e.Topics, event.MustTopic(topic))
	}
	return e
}

// publish publishes n events with the topics; the data of an event is its number. While the engine takes the log for
// unavailable, another node publishes them.
func (f *fixture) publish(n int, topics ...string) []event.Position {
	f.t.Helper()
	events := make([]event.Event, n)
	for i := range events {
		f.published++
		events[i] = newEvent(fmt.Sprint(f.published), topics...)
	}
	appended, err := f.engine.Publish(context.Background(), events...)
	if errors.Is(err, pubsub.ErrUnavailable) {
		appended, err = f.log.Append(context.Background(), events)
	}
	require.NoError(f.t, err)
	return pubsubtest.Positions(appended)
}

func (f *fixture) open(sub pubsub.Subscription) *pubsub.Stream {
	f.t.Helper()
	st, err := f.engine.Open(context.Background(), sub)
	require.NoError(f.t, err)
	return st
}

// listen opens and attaches a stream that may see everything, with a sink that takes everything.
func (f *fixture) listen(from pubsub.Start, texts ...string) (*pubsub.Stream, *fakeSink) {
	f.t.Helper()
	return f.listenUpTo(-1, from, texts...)
}

// listenUpTo is like listen with a sink that takes only so many items.
func (f *fixture) listenUpTo(room int, from pubsub.Start, texts ...string) (*pubsub.Stream, *fakeSink) {
	f.t.Helper()
	st := f.open(pubsub.Subscription{Patterns: patterns(texts...), Grant: allTopics, Start: from})
	sink := newSink()
	sink.SetRoom(room)
	st.Attach(sink)
	return st, sink
}

// opening returns where a stream starts and its reset, if any.
func opening(st *pubsub.Stream) (event.Position, *pubsub.Reset) {
	o := st.Opening()
	return o.At, o.Reset
}

// next is the start of a subscription without history.
var next pubsub.Start

// numbers returns the data of the events published as number from to number to.
func numbers(from, to int) []string {
	texts := []string{}
	for n := from; n <= to; n++ {
		texts = append(texts, fmt.Sprint(n))
	}
	return texts
}

// trickle publishes events one by one, each after the one before was delivered. It needs a bubble.
func (f *fixture) trickle(n int, topics ...string) {
	f.t.Helper()
	for range n {
		f.publish(1, topics...)
		synctest.Wait()
	}
}

// publish1 publishes one event and may be called from any goroutine.
func (f *fixture) publish1(topics ...string) {
	_, _ = f.engine.Publish(context.Background(), newEvent("x", topics...))
}
