package jsonevent_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/transport/jsonevent"
)

var at = event.Position{Epoch: "a1", Offset: 7}

func encode(t *testing.T, e event.Event) string {
	t.Helper()
	published := time.Date(2025, 6, 18, 11, 49, 34, 120_999_999, time.FixedZone("", 7200))
	b, err := jsonevent.AppendEvent([]byte(">"), event.Entry{Position: at, Time: published, Event: e})
	require.NoError(t, err)
	return string(b[1:])
}

func TestAppendEventWritesExactBytes(t *testing.T) {
	for want, e := range map[string]event.Event{
		`{"id":"a1-7","topics":["a"],"type":"message","time":"2025-06-18T09:49:34.120Z","data":"hello"}`: eventtest.MustEvent("hello", "a"),
		`{"id":"a1-7","topics":["a\"b","<é>"],"type":"paid","time":"2025-06-18T09:49:34.120Z","data":"{\"x\":1}\n","retry":1500}`: {
			Topics: []event.Topic{event.MustTopic(`a"b`), event.MustTopic("<é>")}, Type: eventtest.MustType("paid"),
			Data: eventtest.MustData("{\"x\":1}\n"), Retry: 1500 * time.Millisecond,
		},
		`{"id":"a1-7","topics":["a"],"type":"message","time":"2025-06-18T09:49:34.120Z","data":"\\\t\u0000\u001f\u007f\u0085\u2028\u2029"}`: eventtest.MustEvent(
			"\\\t\x00\x1f\x7f\u0085\u2028\u2029", "a"),
	} {
		assert.Equal(t, want, encode(t, e))
	}
}

func TestControlEventsHaveTheSameForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // midnight, 1 January 2000, UTC
		reset := pubsub.Reset{Reason: pubsub.ResetExpired, Requested: "a1-1", Oldest: at, Newest: at, At: event.Position{Epoch: "a1", Offset: 6}}
		const data = `"{\"reason\":\"expired\",\"requested\":\"a1-1\",\"oldest\":\"a1-7\",\"newest\":\"a1-7\"}"`
		for want, got := range map[string][]byte{
			`{"topics":[],"type":"carillon.goaway","time":"2000-01-01T00:00:00.000Z","data":"{\"reason\":\"drain\"}","retry":2345}`: jsonevent.AppendGoaway(
				nil, "drain", 2345*time.Millisecond),
			`{"id":"a1-7","topics":[],"type":"carillon.bookmark","time":"2000-01-01T00:00:00.000Z","data":""}`:        jsonevent.AppendBookmark(nil, at, 0),
			`{"id":"a1-6","topics":[],"type":"carillon.reset","time":"2000-01-01T00:00:00.000Z","data":` + data + `}`: jsonevent.AppendReset(nil, reset, 0),
			`{"id":"a1-6","topics":[],"type":"carillon.reset","time":"2000-01-01T00:00:00.000Z","data":` + data + `,"retry":2000}`: jsonevent.AppendOpening(
				nil, pubsub.Opening{At: reset.At, Reset: &reset}, 2*time.Second),
			`{"id":"a1-7","topics":[],"type":"carillon.bookmark","time":"2000-01-01T00:00:00.000Z","data":"","retry":2000}`: jsonevent.AppendOpening(
				nil, pubsub.Opening{At: at, Resumed: true}, 2*time.Second),
		} {
			assert.Equal(t, want, string(got))
			_, err := jsonevent.Decode(got)
			require.NoError(t, err)
		}
	})
}

func TestHostileTextComesBackTheSame(t *testing.T) {
	for _, text := range eventtest.Hostile {
		data, err := event.ParseData(text)
		require.NoError(t, err)
		checkRoundTrip(t, data)
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, text := range eventtest.Hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if data, err := event.ParseData(text); err == nil {
			checkRoundTrip(t, data)
		}
	})
}

// unicodeLineEnds are what Unicode (UAX 14) and the libraries that follow it split lines at.
var unicodeLineEnds = regexp.MustCompile("[\n\v\f\r\x1c\x1d\x1e\u0085\u2028\u2029]")

func checkRoundTrip(t *testing.T, data event.Data) {
	t.Helper()
	text := encode(t, event.Event{Topics: []event.Topic{event.MustTopic("a")}, Data: data})
	require.False(t, unicodeLineEnds.MatchString(text), "a reader of lines could split %q", text)
	e, err := jsonevent.Decode([]byte(text))
	require.NoError(t, err)
	require.Equal(t, data.String(), e.Data)
	require.Equal(t, []string{"a"}, e.Topics)
	require.Equal(t, "a1-7", e.ID)
	require.Equal(t, "2025-06-18T09:49:34.12Z", e.Time.Format(time.RFC3339Nano))
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, []byte(text)))
	require.Equal(t, compact.String(), text)
}

func TestAppendEventRefusesWhatIsNoText(t *testing.T) {
	for name, e := range map[string]event.Entry{
		"position": {Position: event.Position{Epoch: "\xff"}, Event: eventtest.MustEvent("x", "a")},
	} {
		b, err := jsonevent.AppendEvent([]byte("before"), e)
		require.ErrorIs(t, err, jsonevent.ErrUnencodable, name)
		assert.Equal(t, "before", string(b))
	}
}

func TestDecodeIgnoresWhatItDoesNotKnow(t *testing.T) {
	e, err := jsonevent.Decode([]byte(`{"type":"a","later":{"x":[1]},"data":"d"}`))
	require.NoError(t, err)
	assert.Equal(t, jsonevent.Event{Type: "a", Data: "d"}, e)
	for _, text := range []string{"", "x", "[]", `"type"`, "{}", `{"type":7}`, `{"type":"a"}}`, `{"type":"a","time":"yesterday"}`} {
		_, err := jsonevent.Decode([]byte(text))
		require.Error(t, err, text)
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	e := event.Entry{Position: at, Time: time.Now(), Event: eventtest.MustEvent(strings.Repeat(`{"price":1.25}`, 20), "stock/acme")}
	var out []byte
	for b.Loop() {
		out, _ = jsonevent.AppendEvent(out[:0], e)
	}
}
