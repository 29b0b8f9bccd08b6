package e2e_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listenerScript lets a tab open streams with the browser's EventSource or with the client as the page uses it. It keeps the events
// of each, and tells events of the types "open" and "error" from the notifications of EventSource.
const listenerScript = `
globalThis.streams = {};
globalThis.listen = (name, url, types) => {
	const source = new EventSource(url);
	const s = (streams[name] = {source, received: [], opened: 0, failed: 0, gaveUp: false});
	const isMessage = (e) => e instanceof MessageEvent;
	source.addEventListener("open", (e) => { if (!isMessage(e)) s.opened++; });
	source.addEventListener("error", (e) => {
		if (isMessage(e)) return;
		s.failed++;
		s.gaveUp ||= source.readyState === EventSource.CLOSED;
	});
	for (const type of new Set(types))
		source.addEventListener(type, (e) => { if (isMessage(e)) s.received.push({ID: e.lastEventId, Type: e.type, Data: e.data}); });
	return true;
};
globalThis.listenOwn = async (name, url) => {
	const {Stream} = await import("/assets/stream.mjs");
	const s = (streams[name] = {received: [], opened: 0});
	s.source = new Stream({
		url,
		onEvent: ({id, type, data}) => s.received.push({ID: id, Type: type, Data: data}),
		onState: (state) => { if (state === "live") s.opened++; },
	});
	s.source.open();
	return true;
};
true`

// openListener opens a tab that only opens streams of a server.
func openListener(t *testing.T, base string) *page {
	t.Helper()
	p := openPage(t, base+"/healthz")
	eval[bool](p, listenerScript)
	return p
}

// listen subscribes to a topic with the browser's EventSource, for events of types besides "message" and the control
// events.
func (p *page) listen(name, topic string, types ...string) {
	p.t.Helper()
	kinds, err := json.Marshal(append([]string{"message", "carillon.reset", "carillon.goaway"}, types...))
	require.NoError(p.t, err)
	eval[bool](p, fmt.Sprintf(`listen(%q, "/events?topic=%s", %s)`, name, topic, kinds))
}

// listenOpen is like listen and waits until the stream is open.
func (p *page) listenOpen(name, topic string, types ...string) {
	p.t.Helper()
	p.listen(name, topic, types...)
	p.until(fmt.Sprintf(`streams[%q].opened === 1`, name))
}

// received waits for a number of events on a stream and returns all of them.
func (p *page) received(name string, atLeast int) []shownEvent {
	p.t.Helper()
	p.until(fmt.Sprintf(`streams[%q].received.length >= %d`, name, atLeast))
	return eval[[]shownEvent](p, fmt.Sprintf(`streams[%q].received`, name))
}

// settle lets the browser read what was sent before: it fetches something over the same network.
func (p *page) settle() {
	p.t.Helper()
	assert.Equal(p.t, "ok\n", eval[string](p, `fetch("/healthz").then((response) => response.text())`))
}

// publishAll publishes messages on a topic and returns them as they should arrive.
func publishAll(t *testing.T, n *node, topic string, all ...string) []shownEvent {
	t.Helper()
	var want []shownEvent
	for _, data := range all {
		want = append(want, shownEvent{ID: n.publish(t, topic, "", data), Type: "message", Data: data})
	}
	return want
}

func TestBrowserResumesAfterALostConnection(t *testing.T) {
	endToEnd(t)
	t.Run("after events", func(t *testing.T) {
		n := startNode(t, quiet...)
		link := startLink(t, n.Addr)
		p := openListener(t, link.url(""))
		p.listenOpen("s", "news")
		want := publishAll(t, n, "news", "one", "two")
		for round := range 3 {
			assert.Equal(t, want, p.received("s", len(want)))
			link.cut()
			last := want[len(want)-1].ID
			want = append(want, publishAll(t, n, "news", "missed", "missed as well", fmt.Sprint(round))...)
			publishAll(t, n, "other", "of another topic")
			link.restore()
			want = append(want, publishAll(t, n, "news", "after")...)
			assert.Equal(t, want, p.received("s", len(want)), "each once, in order")
			streams := link.streams(t)
			assert.Equal(t, last, streams[len(streams)-1].lastEventID)
		}
		assert.False(t, eval[bool](p, `streams.s.gaveUp`))
	})
	// A stream starts with an id without an event. The browser resumes after it, however often the connection is lost.
	t.Run("before any event", func(t *testing.T) {
		n := startNode(t, quiet...)
		publishAll(t, n, "news", "before the subscription")
		link := startLink(t, n.Addr)
		p := openListener(t, link.url(""))
		p.listenOpen("s", "news")
		id := link.awaitID(t, 0)
		for range 3 {
			p.settle()
			opened := eval[int](p, `streams.s.opened`)
			link.cut()
			publishAll(t, n, "other", "the log goes on")
			link.restore()
			p.until(fmt.Sprintf(`streams.s.opened > %d`, opened))
			streams := link.streams(t)
			assert.Equal(t, id, streams[len(streams)-1].lastEventID)
		}
		assert.Empty(t, eval[[]shownEvent](p, `streams.s.received`))
		link.cut()
		want := publishAll(t, n, "news", "missed", "missed as well")
		link.restore()
		want = append(want, publishAll(t, n, "news", "after")...)
		assert.Equal(t, want, p.received("s", len(want)), "without a reset")
	})
	// While the topic is silent and the log advances, heartbeats carry the position.
	t.Run("long after the log has dropped its first position", func(t *testing.T) {
		n := startNode(t, "CLOCK_INTERVAL=1h", "STREAM_HEARTBEAT=100ms", "HISTORY_EVENTS=20")
		link := startLink(t, n.Addr)
		p := openListener(t, link.url(""))
		p.listenOpen("s", "news")
		first := link.awaitID(t, 0)
		others := publishAll(t, n, "other", make([]string, 15)...)
		link.awaitID(t, offsetOf(t, others[7].ID)) // it is sent an id once the last one is in the older half of the history
		p.settle()
		link.cut()
		publishAll(t, n, "other", make([]string, 8)...)
		want := publishAll(t, n, "news", "missed")
		link.restore()
		assert.Equal(t, want, p.received("s", 1), "and no reset")
		streams := link.streams(t)
		require.Len(t, streams, 2)
		assert.Equal(t, streams[0].lastID(), streams[1].lastEventID)
		assert.NotEqual(t, first, streams[1].lastEventID)
	})
}

func TestRefusedBrowserReconnects(t *testing.T) {
	endToEnd(t)
	for _, limit := range []string{"LIMITS_MAX_STREAMS=1", "LIMITS_MAX_STREAMS_PER_IP=1"} {
		t.Run(limit, func(t *testing.T) {
			n := startNode(t, append(quiet, limit, "STREAM_REFUSED_RETRY=100ms")...)
			p := openListener(t, n.URL(""))
			p.listenOpen("first", "news")
			p.listen("second", "news&last=1")
			for _, refusal := range p.received("second", 3) {
				assert.Equal(t, shownEvent{Type: "carillon.goaway", Data: `{"reason":"limit"}`}, refusal)
			}
			eval[bool](p, `streams.first.source.close() ?? true`)
			want := publishAll(t, n, "news", "after the refusals")
			p.until(`streams.second.received.at(-1).Type === "message"`)
			want = append(want, publishAll(t, n, "news", "and live")...)
			p.until(`streams.second.received.at(-1).Data === "and live"`)
			events := p.received("second", 5)
			assert.Equal(t, want, events[len(events)-2:])
			assert.False(t, eval[bool](p, `streams.second.gaveUp`))
		})
	}
}
