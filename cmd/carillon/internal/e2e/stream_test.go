package e2e_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listening lets a tab follow streams with the browser's own EventSource, or with the one the page brings along. It keeps
// what each heard, and never mistakes an event for news of the stream's own, whatever its type.
const listening = `
globalThis.streams = {};
globalThis.listen = (name, url, types) => {
	const source = new EventSource(url);
	const s = (streams[name] = {source, heard: [], opened: 0, failed: 0, gaveUp: false});
	const isMessage = (e) => e instanceof MessageEvent;
	source.addEventListener("open", (e) => { if (!isMessage(e)) s.opened++; });
	source.addEventListener("error", (e) => {
		if (isMessage(e)) return;
		s.failed++;
		s.gaveUp ||= source.readyState === EventSource.CLOSED;
	});
	for (const type of new Set(types))
		source.addEventListener(type, (e) => { if (isMessage(e)) s.heard.push({ID: e.lastEventId, Type: e.type, Data: e.data}); });
	return true;
};
globalThis.listenOwn = async (name, url) => {
	const {Stream} = await import("/assets/stream.mjs");
	const s = (streams[name] = {heard: [], opened: 0});
	s.source = new Stream({
		url,
		onEvent: ({id, type, data}) => s.heard.push({ID: id, Type: type, Data: data}),
		onState: (state) => { if (state === "live") s.opened++; },
	});
	s.source.open();
	return true;
};
true`

// openListener opens a tab that follows streams of a server and does nothing else.
func openListener(t *testing.T, base string) *page {
	t.Helper()
	p := openPage(t, base+"/healthz")
	eval[bool](p, listening)
	return p
}

// listen follows a topic with the browser's EventSource, listening for types besides "message" and the control events.
func (p *page) listen(name, topic string, types ...string) {
	p.t.Helper()
	kinds, err := json.Marshal(append([]string{"message", "carillon.reset", "carillon.goaway"}, types...))
	require.NoError(p.t, err)
	eval[bool](p, fmt.Sprintf(`listen(%q, "/events?topic=%s", %s)`, name, topic, kinds))
}

// listenOpen does so and waits until the stream is open.
func (p *page) listenOpen(name, topic string, types ...string) {
	p.t.Helper()
	p.listen(name, topic, types...)
	p.until(fmt.Sprintf(`streams[%q].opened === 1`, name))
}

// heard waits for so many events on a stream and answers them all.
func (p *page) heard(name string, atLeast int) []row {
	p.t.Helper()
	p.until(fmt.Sprintf(`streams[%q].heard.length >= %d`, name, atLeast))
	return eval[[]row](p, fmt.Sprintf(`streams[%q].heard`, name))
}

// hasRead lets the browser read what came before: it fetches something over the same network.
func (p *page) hasRead() {
	p.t.Helper()
	assert.Equal(p.t, "ok\n", eval[string](p, `fetch("/healthz").then((answer) => answer.text())`))
}

// publishAll publishes messages on a topic and answers them as they should arrive.
func publishAll(t *testing.T, n *node, topic string, all ...string) []row {
	t.Helper()
	var want []row
	for _, data := range all {
		want = append(want, row{ID: n.publish(t, topic, "", data), Type: "message", Data: data})
	}
	return want
}

func TestABrowserResumesByItselfAfterACut(t *testing.T) {
	whole(t)
	t.Run("after events", func(t *testing.T) {
		n := startNode(t, quiet...)
		w := startWire(t, n.addr)
		p := openListener(t, w.url(""))
		p.listenOpen("s", "news")
		want := publishAll(t, n, "news", "one", "two")
		for round := range 3 {
			assert.Equal(t, want, p.heard("s", len(want)))
			w.cut()
			last := want[len(want)-1].ID
			want = append(want, publishAll(t, n, "news", "missed", "missed as well", fmt.Sprint(round))...)
			publishAll(t, n, "other", "not ours")
			w.mend()
			want = append(want, publishAll(t, n, "news", "after")...)
			assert.Equal(t, want, p.heard("s", len(want)), "each once, in order")
			streams := w.streams(t)
			assert.Equal(t, last, streams[len(streams)-1].lastEventID)
		}
		assert.False(t, eval[bool](p, `streams.s.gaveUp`))
	})
	// The opening brings an id without an event: to a browser that is where it stands, however often it is cut.
	t.Run("before any event", func(t *testing.T) {
		n := startNode(t, quiet...)
		publishAll(t, n, "news", "before its time")
		w := startWire(t, n.addr)
		p := openListener(t, w.url(""))
		p.listenOpen("s", "news")
		bookmark := w.awaitBookmark(t, 0)
		for range 3 {
			p.hasRead()
			opened := eval[int](p, `streams.s.opened`)
			w.cut()
			publishAll(t, n, "other", "the log goes on")
			w.mend()
			p.until(fmt.Sprintf(`streams.s.opened > %d`, opened))
			streams := w.streams(t)
			assert.Equal(t, bookmark, streams[len(streams)-1].lastEventID)
		}
		assert.Empty(t, eval[[]row](p, `streams.s.heard`))
		w.cut()
		want := publishAll(t, n, "news", "missed", "missed as well")
		w.mend()
		want = append(want, publishAll(t, n, "news", "after")...)
		assert.Equal(t, want, p.heard("s", len(want)), "what it never saw the start of, and no reset")
	})
	// Where the topic is silent while the log moves on, heartbeats bring it.
	t.Run("long after the log has forgotten where it began", func(t *testing.T) {
		n := startNode(t, "CLOCK_INTERVAL=1h", "STREAM_HEARTBEAT=100ms", "HISTORY_EVENTS=20")
		w := startWire(t, n.addr)
		p := openListener(t, w.url(""))
		p.listenOpen("s", "news")
		first := w.awaitBookmark(t, 0)
		others := publishAll(t, n, "other", make([]string, 15)...)
		w.awaitBookmark(t, offsetOf(t, others[7].ID)) // it is told once what it knows is in the older half
		p.hasRead()
		w.cut()
		publishAll(t, n, "other", make([]string, 8)...)
		want := publishAll(t, n, "news", "missed")
		w.mend()
		assert.Equal(t, want, p.heard("s", 1), "and no reset")
		streams := w.streams(t)
		require.Len(t, streams, 2)
		assert.Equal(t, streams[0].lastID(), streams[1].lastEventID)
		assert.NotEqual(t, first, streams[1].lastEventID)
	})
}

func TestABrowserThatIsRefusedComesBack(t *testing.T) {
	whole(t)
	for _, limit := range []string{"LIMITS_MAX_STREAMS=1", "LIMITS_MAX_STREAMS_PER_IP=1"} {
		t.Run(limit, func(t *testing.T) {
			n := startNode(t, append(quiet, limit, "STREAM_REFUSED_RETRY=100ms")...)
			p := openListener(t, n.url(""))
			p.listenOpen("first", "news")
			p.listen("second", "news&last=1")
			for _, turnedAway := range p.heard("second", 3) {
				assert.Equal(t, row{Type: "carillon.goaway", Data: `{"reason":"limit"}`}, turnedAway)
			}
			eval[bool](p, `streams.first.source.close() ?? true`)
			want := publishAll(t, n, "news", "heard at last")
			p.until(`streams.second.heard.at(-1).Type === "message"`)
			want = append(want, publishAll(t, n, "news", "and live")...)
			p.until(`streams.second.heard.at(-1).Data === "and live"`)
			heard := p.heard("second", 5)
			assert.Equal(t, want, heard[len(heard)-2:])
			assert.False(t, eval[bool](p, `streams.second.gaveUp`))
		})
	}
}
