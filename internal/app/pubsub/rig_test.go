package pubsub_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// everyone may see everything.
var everyone = access.Allow(event.Everything)

func config() pubsub.Config {
	return pubsub.Config{
		Window:    pubsub.WindowConfig{Events: 1024, Bytes: 1 << 20, Age: time.Hour},
		Heartbeat: 15 * time.Second,
		Slow:      pubsub.SlowClose,
		Shards:    2,
	}
}

// rig is a running engine over a fake log.
type rig struct {
	t    testing.TB
	log  *fakeLog
	pub  *pubsub.Engine
	stop func() error // ends Run and answers what it returned
	said int          // how many events were published
}

func start(t testing.TB, cfg pubsub.Config, log *fakeLog) *rig {
	t.Helper()
	pub, err := pubsub.New(cfg, log, pubsub.Unobserved{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var result error
	go func() {
		defer close(done)
		result = pub.Run(ctx)
	}()
	r := &rig{t: t, log: log, pub: pub, stop: func() error {
		cancel()
		<-done
		return result
	}}
	t.Cleanup(func() { _ = r.stop() })
	return r
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

// about makes an event whose data is its topics.
func about(data string, topics ...string) event.Event {
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

// publish puts n events about a topic into the log; the data of an event is its number.
func (r *rig) publish(n int, topics ...string) []event.Position {
	r.t.Helper()
	events := make([]event.Event, n)
	for i := range events {
		r.said++
		events[i] = about(fmt.Sprint(r.said), topics...)
	}
	at, err := r.pub.Publish(context.Background(), events...)
	require.NoError(r.t, err)
	return at
}

func (r *rig) open(sub pubsub.Subscription) *pubsub.Stream {
	r.t.Helper()
	st, err := r.pub.Open(context.Background(), sub)
	require.NoError(r.t, err)
	return st
}

// listen opens and attaches a stream that may see everything and takes everything.
func (r *rig) listen(from pubsub.Start, texts ...string) (*pubsub.Stream, *fakeSink) {
	r.t.Helper()
	return r.listenUpTo(-1, from, texts...)
}

// listenUpTo is listen with a sink that takes only so many items.
func (r *rig) listenUpTo(room int, from pubsub.Start, texts ...string) (*pubsub.Stream, *fakeSink) {
	r.t.Helper()
	st := r.open(pubsub.Subscription{Patterns: patterns(texts...), Grant: everyone, Start: from})
	sink := newSink()
	sink.SetRoom(room)
	st.Attach(sink)
	return st, sink
}

// opening returns where a stream starts and what its client must be told about that.
func opening(st *pubsub.Stream) (event.Position, *pubsub.Reset) {
	o := st.Opening()
	return o.At, o.Reset
}

// next is where a subscription starts that asks for nothing old.
var next pubsub.Start

// numbers writes from to to, as the data of published events reads.
func numbers(from, to int) []string {
	texts := []string{}
	for n := from; n <= to; n++ {
		texts = append(texts, fmt.Sprint(n))
	}
	return texts
}

// trickle publishes events one by one, each after the one before went all its way. For a test in a bubble.
func (r *rig) trickle(n int, topics ...string) {
	r.t.Helper()
	for range n {
		r.publish(1, topics...)
		synctest.Wait()
	}
}

// publish1 publishes one event and may be called from any goroutine.
func (r *rig) publish1(topics ...string) {
	_, _ = r.pub.Publish(context.Background(), about("x", topics...))
}
