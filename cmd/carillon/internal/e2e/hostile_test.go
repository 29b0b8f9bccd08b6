package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hostileData are texts that could break the framing or that a parser could misread. want is what the browser must receive;
// "" means the text as sent.
var hostileData = []struct{ sent, want string }{
	{sent: "plain"},
	{sent: ""},
	{sent: " "},
	{sent: " one space first"},
	{sent: "   three spaces first, and last   "},
	{sent: "\ttabs\t"},
	{sent: "\n"},
	{sent: "\n\n\n"},
	{sent: "line\n line\n\n  line\n"},
	{sent: "\r", want: "\n"},
	{sent: "a\rb", want: "a\nb"},
	{sent: "a\r\nb\r\n", want: "a\nb\n"},
	{sent: "a\r\r\n\n\rb", want: "a\n\n\n\nb"},
	{sent: "data: x"},
	{sent: "data: x\n\nevent: forged\ndata: y\n\n"},
	{sent: "x\r\revent: forged\rdata: y\r\r", want: "x\n\nevent: forged\ndata: y\n\n"},
	{sent: "id: 7\nretry: 1"},
	{sent: "event: carillon.reset"},
	{sent: ": comment"},
	{sent: ":"},
	{sent: "data"},
	{sent: "\x00"},
	{sent: "a\x00b"},
	{sent: "\x01\x02\x1b[31m\x1f\x7f"},
	{sent: "C1 \u0080\u0085\u009f"},
	{sent: "separators \u2028 and \u2029"},
	{sent: "\u2028"},
	{sent: "\ufeff"},
	{sent: "\ufeffmark first"},
	{sent: "\ufeff\ufeff and twice, and \ufeff inside"},
	{sent: "\ufeff\n\ufeff"},
	{sent: "\ufffe\uffff\ufffd"},
	{sent: "bidi \u202a\u202e\u2066\u2069\u200e\u200f\u061c"},
	{sent: "joiners \u200b\u200c\u200d\u2060\u00ad"},
	{sent: "tags \U000e0001\U000e0061, annotation \ufff9"},
	{sent: "spaces \u00a0\u3000\u1680"},
	{sent: "emoji 🔔 🏳️\u200d🌈 👨\u200d👩\u200d👧, e\u0301, 日本語, naïve"},
	{sent: "private \ue000, last \U0010ffff"},
	{sent: `{"json": "\u0000\ud800", 'quotes': "` + "`" + `\\"}`},
	{sent: "<script>alert(1)</script>&amp;%0A%00+"},
	{sent: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", want: "HTTP/1.1 200 OK\nContent-Length: 0\n\n0\n\n"},
	{sent: strings.Repeat("x", 1<<20)},
	{sent: strings.Repeat("\n", 1<<16)},
	{sent: strings.Repeat("🔔\ufeff \n", 1<<15)},
	{sent: strings.Repeat(strings.Repeat("x", 4095)+"\r", 1<<8), want: strings.Repeat(strings.Repeat("x", 4095)+"\n", 1<<8)},
}

// hostileTypes are unusual but valid types. Two are the names of EventSource's notifications.
var hostileTypes = []string{
	"error", "open", "close", "a b", "data: x", ": comment", "id", "id: 7", "event", ":", "::", `{"a":1}`, `"`, `\`, "/", "*", "**",
	"carillon", "Carillon.reset", "__proto__", "constructor", "toString", "naïve", "日本語", "a\u00a0b", "\ufffd", "🔔", "🏳️", "e\u0301",
	"\U0010ffff", "\ue000", strings.Repeat("x", 255), strings.Repeat("ü", 127),
}

// hostileTopics are unusual but valid topics.
var hostileTopics = []string{"/", "//", "a//b", "data: x", "https://example.com/books/1?q=x&y=%0A#z", "🔔", "a b", " a ", "\ufffd", "..", "__proto__"}

// A browser receives what the server accepted unchanged, with its EventSource and with the page's own class.
func TestHostileEventsReachBrowserUnchanged(t *testing.T) {
	endToEnd(t)
	for name, settings := range map[string][]string{
		"written by a shard":               nil,
		"compressed, and by its goroutine": {"STREAM_COMPRESSION=true", "STREAM_TAKE_OVER=false"},
	} {
		t.Run(name, func(t *testing.T) {
			n := startNode(t, append(quiet, settings...)...)
			p := openListener(t, n.URL(""))
			p.listenOpen("native", "**", hostileTypes...)
			eval[bool](p, `listenOwn("own", "/events?topic=**")`)
			p.until(`streams.own.opened === 1`)

			var want []shownEvent
			for _, data := range hostileData {
				id := n.publish(t, "news", "", data.sent)
				if data.want == "" {
					data.want = data.sent
				}
				want = append(want, shownEvent{ID: id, Type: "message", Data: data.want})
			}
			for _, kind := range hostileTypes {
				want = append(want, shownEvent{ID: n.publish(t, "news", kind, kind), Type: kind, Data: kind})
			}
			for _, topic := range hostileTopics {
				want = append(want, shownEvent{ID: n.publish(t, topic, "", topic), Type: "message", Data: topic})
			}
			want = append(want, publishAll(t, n, "news", "the end")...)
			for _, stream := range []string{"native", "own"} {
				p.until(fmt.Sprintf(`streams[%q].received.at(-1)?.Data === "the end"`, stream))
			}
			assertSame(t, want, p.received("native", len(want)))
			if !eval[bool](p, `JSON.stringify(streams.own.received) === JSON.stringify(streams.native.received)`) {
				assertSame(t, want, p.received("own", len(want)))
				t.Error("the page's own class received something else")
			}
			assert.Zero(t, eval[int](p, `streams.native.failed`), "the connection was never lost")
		})
	}
}

// assertSame compares what was received with what should have been, and prints only the start of large texts.
func assertSame(t *testing.T, want, received []shownEvent) {
	t.Helper()
	for i := range min(len(want), len(received)) {
		require.True(t, want[i] == received[i], "want %.300q, received %.300q", want[i], received[i])
	}
	assert.Len(t, received, len(want))
}

// The position that a browser sends comes from a page and may be anything.
func TestHostilePositionIsMalformed(t *testing.T) {
	endToEnd(t)
	n := startNode(t, quiet...)
	publishAll(t, n, "news", "one")
	p := openListener(t, n.URL(""))
	for _, sent := range []string{
		"x", "-", "a-1-2", " ", "data: x", "🔔", `"}`, "\n", "a\r\ndata: forged\r\n\r\n", "\x00", "\u2028", "\ufeff", "\u202e", strings.Repeat("x", 4096),
	} {
		first := eval[shownEvent](p, fmt.Sprintf(`new Promise((done) => {
			const source = new EventSource("/events?topic=news&last_event_id=" + encodeURIComponent(%q));
			const finish = ({lastEventId, type, data}) => { source.close(); done({ID: lastEventId, Type: type, Data: data ?? ""}); };
			for (const type of ["message", "carillon.reset", "carillon.goaway", "error"]) source.addEventListener(type, finish);
		})`, sent))
		require.Equal(t, "carillon.reset", first.Type, "%q", sent)
		assert.NotEmpty(t, first.ID)
		var reset struct{ Reason, Requested string }
		require.NoError(t, json.Unmarshal([]byte(first.Data), &reset))
		assert.Equal(t, "malformed", reset.Reason, "%q", sent)
		assert.Empty(t, reset.Requested, "an invalid position is not echoed")
	}
}
