package pubsub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/infra/memlog"
)

func TestLatestBeginsWithTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		f.publish(1, "stock/A")            // 1
		f.publish(1, "stock/B", "stock/C") // 2
		f.publish(2, "stock/A")            // 3, 4
		f.publish(1, "other")              // 5
		f.publish(1, "stock/D/x")          // 6
		synctest.Wait()
		for text, want := range map[string][]string{
			"stock/**": {"2", "4", "6"}, "stock/*": {"2", "4"}, "stock/C": {"2"}, "*": {"5"}, "**": {"2", "4", "5", "6"}, "stock/E": {}, "stock": {},
			"stock/*/x": {"6"}, "*/A": {"4"}, "stock/D/**": {"6"}, "stock/D": {},
		} {
			_, sink := f.listen(pubsub.Latest(), text)
			synctest.Wait()
			assert.Equal(t, want, sink.Text(), text)
		}
		st, sink := f.listen(pubsub.Latest(), "stock/B", "stock/*", "other")
		at, reset := opening(st)
		assert.Equal(t, uint64(1), at.Offset, "right before the first event, so that a client that leaves now misses nothing")
		assert.Nil(t, reset)
		f.publish(2, "stock/B") // 7, 8
		synctest.Wait()
		assert.Equal(t, []string{"2", "4", "5", "7", "8"}, sink.Text(), "an event with several topics comes once")
		none, _ := f.listen(pubsub.Latest(), "none")
		at, _ = opening(none)
		assert.Equal(t, uint64(8), at.Offset)
	})
}

// A subscriber sees the newest events of the topics that the grant covers, and no others.
func TestLatestKeepsToTheGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		f.publish(1, "a/1")
		f.publish(1, "a/2", "b")
		f.publish(1, "a/3")
		synctest.Wait()
		st := f.open(pubsub.Subscription{Patterns: patterns("**"), Grant: access.Allow(patterns("a/1", "b")...), Start: pubsub.Latest()})
		sink := newSink()
		st.Attach(sink)
		synctest.Wait()
		assert.Equal(t, []string{"1", "2"}, sink.Text())
	})
}

// latestOf returns the newest entry of each topic that a pattern selects, in their order.
func latestOf(entries []event.Entry, wants func(event.Topic) bool) []event.Entry {
	newest := map[event.Topic]uint64{}
	for _, e := range entries {
		for _, topic := range e.Event.Topics {
			newest[topic] = e.Position.Offset
		}
	}
	return slices.DeleteFunc(slices.Clone(entries), func(e event.Entry) bool {
		return !slices.ContainsFunc(e.Event.Topics, func(topic event.Topic) bool { return wants(topic) && newest[topic] == e.Position.Offset })
	})
}

// Whatever is published and trimmed, a stream gets the newest event of each topic that is kept when it begins, as far as
// it is still kept when it can be sent, and then everything after.
func TestLatestEqualsTheModel(t *testing.T) {
	for seed := range uint64(120) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testLatest(t, rand.New(rand.NewPCG(seed, 3))) })
		})
	}
}

func testLatest(t *testing.T, random *rand.Rand) {
	t.Helper()
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	topics := []string{"a", "b", "a/1", "a/2", "a/1/x", "b/1", "b/2/x", "c//d", "/"}
	log := newLog([]int{0, 5, 20, 60}[random.IntN(4)])
	publish := func(f *fixture, n int) {
		for range n {
			f.publish(1, topics[random.IntN(len(topics))], topics[random.IntN(len(topics))])
			if random.IntN(9) == 0 {
				log.SkipOffsets(uint64(random.IntN(20)))
			}
		}
	}
	before := random.IntN(2) * random.IntN(100) // events that are there when the engine starts
	filled := &fixture{t: t, log: log}
	for range before {
		filled.published++
		_, err := log.Append(t.Context(), []event.Event{newEvent(fmt.Sprint(filled.published), pick(topics...), pick(topics...))})
		require.NoError(t, err)
	}
	cfg := config()
	cfg.Window.Events, cfg.Fill = []int{4, 20, 500}[random.IntN(3)], random.IntN(50)
	cfg.Slow = pubsub.SlowSkip
	f := start(t, cfg, log)
	f.published = filled.published
	type reader struct {
		begins  []event.Entry
		upTo    uint64
		stream  *pubsub.Stream
		sink    *fakeSink
		wants   func(event.Topic) bool
		pattern string
	}
	var readers []reader
	for range 12 {
		publish(f, random.IntN(12))
		if random.IntN(3) == 0 {
			log.Trim(random.IntN(6))
		}
		synctest.Wait()
		p := pattern(pick("**", "a/*", "a/**", "*", "a", "*/1", "b/**", "c/*/d", "*/*/x", "nothing", "/"))
		room := []int{-1, -1, 0, 2}[random.IntN(4)]
		var r reader
		r.wants, r.pattern = p.Matches, p.String()
		log.Set(func(l *fakeLog) { r.begins, r.upTo = latestOf(l.entries, p.Matches), l.newest })
		r.stream, r.sink = f.listenUpTo(room, pubsub.Latest(), p.String())
		readers = append(readers, r)
	}
	synctest.Wait()
	if random.IntN(2) == 0 {
		time.Sleep(3 * time.Second)
	}
	for _, r := range readers {
		r.sink.SetRoom(-1)
		r.stream.Ready()
	}
	time.Sleep(20 * time.Second)
	publish(f, 3)
	synctest.Wait()
	log.mu.Lock()
	defer log.mu.Unlock()
	for i, r := range readers {
		got := r.sink.Calls()
		if slices.ContainsFunc(got, func(c call) bool { return c.what == "reset" }) {
			continue // too slow for the history: what follows is another test's
		}
		var offsets, after []uint64
		for _, c := range r.sink.Only("item") {
			if c.at.Offset <= r.upTo {
				offsets = append(offsets, c.at.Offset)
			} else {
				after = append(after, c.at.Offset)
			}
		}
		var want, kept []uint64
		for _, e := range r.begins {
			want = append(want, e.Position.Offset)
			if e.Position.Offset >= log.oldest {
				kept = append(kept, e.Position.Offset)
			}
		}
		require.True(t, slices.IsSorted(offsets), "reader %d", i)
		for _, offset := range offsets {
			require.Contains(t, want, offset, "reader %d of %s", i, r.pattern)
		}
		for _, offset := range kept {
			require.Contains(t, offsets, offset, "reader %d of %s", i, r.pattern)
		}
		require.Len(t, slices.Compact(offsets), len(offsets))
		var later []uint64
		for _, e := range log.all {
			if e.Position.Offset > r.upTo && slices.ContainsFunc(e.Event.Topics, r.wants) {
				later = append(later, e.Position.Offset)
			}
		}
		require.Equal(t, later, after, "reader %d of %s", i, r.pattern)
		require.NoError(t, r.sink.Violation())
	}
	newest := map[event.Topic]bool{}
	for _, e := range log.entries {
		for _, topic := range e.Event.Topics {
			newest[topic] = true
		}
	}
	log.mu.Unlock()
	time.Sleep(2 * time.Second)
	require.Equal(t, len(newest), f.engine.Latest().Topics, "the index is bounded by the history")
	log.mu.Lock()
}

// With publishers and trimming at full speed, no topic's events have a gap after the first that a stream gets.
func TestLatestUnderStress(t *testing.T) {
	log, err := memlog.New(memlog.Config{Events: 300, Bytes: 1 << 20, Age: time.Hour, Keys: 1, KeyWindow: time.Minute})
	require.NoError(t, err)
	cfg := config()
	cfg.Window.Events = 100
	engine, err := pubsub.New(cfg, log, pubsubtest.NopObserver{})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var running, publishing sync.WaitGroup
	running.Go(func() { assert.NoError(t, engine.Run(ctx)) })
	defer running.Wait()
	defer stop()
	const topics, rounds = 40, 1000
	for p := range 4 {
		publishing.Go(func() {
			for n := range rounds {
				for i := p; i < topics; i += 4 { // each topic has one publisher, who numbers its events
					if n%(i+1) == 0 {
						_, err := engine.Publish(ctx, newEvent(fmt.Sprint(n/(i+1)), fmt.Sprintf("s/%d", i)))
						assert.NoError(t, err)
					}
				}
				runtime.Gosched()
			}
		})
	}
	var sinks []*fakeSink
	for range 60 {
		stream, err := engine.Open(ctx, pubsub.Subscription{Patterns: patterns("s/*"), Grant: allTopics, Start: pubsub.Latest()})
		require.NoError(t, err)
		sink := newSink()
		stream.Attach(sink)
		sinks = append(sinks, sink)
		time.Sleep(2 * time.Millisecond)
	}
	publishing.Wait()
	last := log.Extent().Newest
	for _, sink := range sinks {
		for offset, closed := sink.Reached(); offset < last && !closed; offset, closed = sink.Reached() {
			time.Sleep(time.Millisecond)
		}
		checkNumbers(t, sink, rounds)
	}
}

// checkNumbers checks that a stream got consecutive events of each topic, up to the last, unless it was reset or closed
// because it was too slow.
func checkNumbers(t *testing.T, sink *fakeSink, rounds int) {
	t.Helper()
	next := map[string]int{}
	var before uint64
	for _, c := range sink.Calls() {
		switch c.what {
		case "reset":
			clear(next)
			before = c.at.Offset
		case "close":
			return
		case "item":
			n, err := strconv.Atoi(c.event.Data.String())
			name := c.event.Topics[0].String()
			want, known := next[name]
			if err != nil || c.at.Offset <= before || known && n != want {
				require.Failf(t, "a gap, or a repeat", "%s: event %d at %s after %d, which should be %d", name, n, c.at, before, want)
			}
			before, next[name] = c.at.Offset, n+1
		}
	}
	if len(next) < 40 {
		return // reset near the end
	}
	for i := range 40 {
		require.Equal(t, (rounds-1)/(i+1)+1, next[fmt.Sprintf("s/%d", i)])
	}
}

// A log that outlives the process has a history before the engine starts. While it is read, streams that need it wait, and
// others do not.
func TestLatestOfAnOldHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(0)
		for i := range 5000 {
			_, err := log.Append(t.Context(), []event.Event{newEvent(fmt.Sprint(i), fmt.Sprintf("t/%d", i%700))})
			require.NoError(t, err)
		}
		log.slow = time.Second
		cfg := config()
		cfg.Fill = 100
		f := start(t, cfg, log)
		f.published = 5000
		_, at := f.listen(next, "t/1")
		begin := time.Now()
		stream := f.open(pubsub.Subscription{Patterns: patterns("t/*"), Grant: allTopics, Start: pubsub.Latest()})
		assert.Positive(t, time.Since(begin))
		f.publish(1, "t/1")
		synctest.Wait()
		assert.Equal(t, []string{"5001"}, at.Text())
		sink := newSink()
		stream.Attach(sink)
		time.Sleep(time.Minute)
		texts := sink.Text()
		require.Len(t, texts, 701)
		assert.Equal(t, "4300", texts[0])
		assert.Equal(t, "5001", texts[700])
	})
}

// While the history cannot be read, the state cannot be told.
func TestLatestWithoutALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(0)
		for range 500 {
			_, err := log.Append(t.Context(), []event.Event{newEvent("x", "a")})
			require.NoError(t, err)
		}
		log.Fail(pubsub.ErrUnavailable)
		cfg := config()
		cfg.Fill = 10
		f := start(t, cfg, log)
		_, err := f.engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.Latest()})
		require.ErrorIs(t, err, pubsub.ErrUnavailable)
		log.Recover()
		time.Sleep(3 * time.Second)
		_, sink := f.listen(pubsub.Latest(), "a")
		synctest.Wait()
		assert.Equal(t, []string{"x"}, sink.Text())
	})
}

// When the log is replaced, the index is that of the new one.
func TestLatestOfALogThatWasReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		synctest.Wait() // until the log is followed
		f.publish(3, "a")
		f.publish(3, "b")
		stalled, full := f.listenUpTo(1, pubsub.Latest(), "*")
		synctest.Wait()
		f.log.Replace("e2", 20, "a")
		time.Sleep(2 * time.Second)
		_, sink := f.listen(pubsub.Latest(), "*")
		full.SetRoom(-1)
		stalled.Ready()
		synctest.Wait()
		assert.Equal(t, []string{"e2/20"}, sink.Text())
		assert.Equal(t, 1, f.engine.Latest().Topics)
		assert.Equal(t, []string{"3", "reset:epoch@0", "e2/1"}, full.Text()[:3], "it gets what the new log keeps")
	})
}

// The memory that the index says it takes is about what it takes.
func TestLatestKnowsItsMemory(t *testing.T) {
	log, err := memlog.New(memlog.Config{Events: 1, Bytes: 1 << 20, Age: time.Hour, Keys: 1, KeyWindow: time.Minute})
	require.NoError(t, err)
	for _, shape := range []string{"user/%d", "user/%d/inbox", "%d"} {
		used := pubsub.LatestMemory(log, 20_000, shape)
		assert.Greater(t, used.Counted, used.Taken/2, shape)
		assert.Less(t, used.Counted, used.Taken*2, shape)
		assert.Zero(t, used.Left, "nothing is left when all was trimmed")
	}
}

// BenchmarkLatest begins streams with the newest events of 1,000 topics out of a history of 50,000 events.
func BenchmarkLatest(b *testing.B) {
	log, err := memlog.New(memlog.Config{Events: 50_000, Bytes: 1 << 30, Age: time.Hour, Keys: 1, KeyWindow: time.Minute})
	require.NoError(b, err)
	cfg := config()
	cfg.Window = pubsub.WindowConfig{Events: 10_000, Bytes: 32 << 20, Age: time.Hour}
	engine, err := pubsub.New(cfg, log, pubsubtest.NopObserver{})
	require.NoError(b, err)
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = engine.Run(ctx) })
	defer running.Wait()
	defer stop()
	for i := range 50_000 {
		topic := fmt.Sprintf("other/%d", i)
		if i%50 == 0 {
			topic = fmt.Sprintf("stock/%d", i/50)
		}
		_, err := engine.Publish(ctx, newEvent(fmt.Sprintf(`{"symbol":"S%d","price":41.50,"change":-0.25}`, i), topic))
		require.NoError(b, err)
	}
	for b.Loop() {
		stream, err := engine.Open(ctx, pubsub.Subscription{Patterns: patterns("stock/**"), Grant: allTopics, Start: pubsub.Latest()})
		require.NoError(b, err)
		sink := newSink()
		sink.progress = make(chan struct{}, 1)
		stream.Attach(sink)
		for offset, _ := sink.Reached(); offset < 49_951; offset, _ = sink.Reached() {
			<-sink.progress
		}
		stream.End(pubsub.EndGone)
	}
}
