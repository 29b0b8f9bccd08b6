package sse_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/event"
	"carillon/internal/transport/sse"
)

// entry is an event at the place a1-7 of a log, as its publisher wrote it.
func entry(t testing.TB, name, data string, retry time.Duration) event.Entry {
	t.Helper()
	e := event.Event{Topics: []event.Topic{event.MustTopic("test")}, Retry: retry}
	var err error
	e.Type, err = event.ParseType(name)
	require.NoError(t, err)
	e.Data, err = event.ParseData(data)
	require.NoError(t, err)
	return event.Entry{Position: event.Position{Epoch: "a1", Offset: 7}, Event: e}
}

// unchecked returns a domain value with text that its parser did not check, as a fault in the domain or a log could.
func unchecked[T event.Type | event.Data](text string) T {
	var value T
	*(*string)(unsafe.Pointer(reflect.ValueOf(&value).Elem().Field(0).UnsafeAddr())) = text
	return value
}

func ExampleAppendEvent() {
	kind, _ := event.ParseType("shipped")
	data, _ := event.ParseData("order 42\ntwo parcels")
	frame, _ := sse.AppendEvent(nil, event.Entry{
		Position: event.Position{Epoch: "k3x9", Offset: 1207},
		Event:    event.Event{Type: kind, Data: data, Retry: 5 * time.Second},
	})
	fmt.Printf("%s", frame)
	// Output:
	// id: k3x9-1207
	// event: shipped
	// retry: 5000
	// data: order 42
	// data: two parcels
}

func TestAppendEventWritesExactBytes(t *testing.T) {
	for _, c := range []struct {
		name, kind, data string
		retry            time.Duration
		want             string
	}{
		{"plain", "", "hello", 0, "id: a1-7\ndata: hello\n\n"},
		{"the default type by name", "message", "hello", 0, "id: a1-7\ndata: hello\n\n"},
		{"every field", "tick", "hello", 1500 * time.Millisecond, "id: a1-7\nevent: tick\nretry: 1500\ndata: hello\n\n"},
		{"no data", "", "", 0, "id: a1-7\ndata: \n\n"},
		{"lines", "", "a\nb\r\nc\rd", 0, "id: a1-7\ndata: a\ndata: b\ndata: c\ndata: d\n\n"},
		{"ends in a line end", "", "a\n", 0, "id: a1-7\ndata: a\ndata: \n\n"},
		{"only line ends", "", "\n\n", 0, "id: a1-7\ndata: \ndata: \ndata: \n\n"},
		{"leading spaces", "", "  a\n b", 0, "id: a1-7\ndata:   a\ndata:  b\n\n"},
		{"looks like fields", "", "data: x\n\nevent: y\nid: z", 0, "id: a1-7\ndata: data: x\ndata: \ndata: event: y\ndata: id: z\n\n"},
		{"other line separators", "", "a\u2028b\u0085c\vd\fe", 0, "id: a1-7\ndata: a\u2028b\u0085c\vd\fe\n\n"},
		{"the longest retry", "", "x", event.MaxRetry, "id: a1-7\nretry: 86400000\ndata: x\n\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := sse.AppendEvent([]byte("before|"), entry(t, c.kind, c.data, c.retry))
			require.NoError(t, err)
			assert.Equal(t, "before|"+c.want, string(got))
		})
	}
}

func TestAppendEventLeavesOutTheIDOfNoPosition(t *testing.T) {
	e := entry(t, "", "x", 0)
	e.Position = event.Position{}
	got, err := sse.AppendEvent(nil, e)
	require.NoError(t, err)
	assert.Equal(t, "data: x\n\n", string(got))
}

// The domain's types refuse these too; the encoder must not rely on it.
func TestAppendEventRefusesAgainWhatTheDomainRefuses(t *testing.T) {
	for _, bad := range []string{
		"\n", "\r", "\r\n", "a\nb", "a\ndata: forged\n", "a\rb", "\x00", "a\tb", "\x1b[31m", "\x7f", "\u0085", "\u009f",
		"\u2028", "\u2029", "\uFEFF", "\u202e", "\u2066", "\u200b", "\u00ad", "\xff", "a\xc3", "\xed\xa0\x80", "é\n",
	} {
		t.Run(fmt.Sprintf("%q", bad), func(t *testing.T) {
			good := entry(t, "tick", "x", 0)
			before := []byte("before|")

			e := good
			e.Event.Type = unchecked[event.Type](bad)
			got, err := sse.AppendEvent(before, e)
			require.ErrorIs(t, err, sse.ErrUnencodable, "in the type")
			assert.Equal(t, before, got)

			e = good
			e.Position.Epoch = event.Epoch(bad)
			got, err = sse.AppendEvent(before, e)
			require.ErrorIs(t, err, sse.ErrUnencodable, "in the epoch")
			assert.Equal(t, before, got)
		})
	}

	e := entry(t, "", "x", 0)
	e.Event.Data = unchecked[event.Data]("a\xffb")
	_, err := sse.AppendEvent(nil, e)
	require.ErrorIs(t, err, sse.ErrUnencodable, "in the data")
}

func TestAppendEventSplitsLineEndsTheDomainLetThrough(t *testing.T) {
	e := entry(t, "", "", 0)
	e.Event.Data = unchecked[event.Data]("a\rid: forged\r\nb\n\rc")
	got, err := sse.AppendEvent(nil, e)
	require.NoError(t, err)
	assert.Equal(t, "id: a1-7\ndata: a\ndata: id: forged\ndata: b\ndata: \ndata: c\n\n", string(got))
}

func TestAppendEventAllocatesNothing(t *testing.T) {
	b := make([]byte, 0, 1024)
	for name, e := range map[string]event.Entry{
		"one line":  entry(t, "tick", "hello", time.Second),
		"ten lines": entry(t, "", strings.Repeat("line\n", 10), 0),
		"not ASCII": entry(t, "größe", "äöü", 0),
	} {
		t.Run(name, func(t *testing.T) {
			assert.Zero(t, testing.AllocsPerRun(100, func() {
				if _, err := sse.AppendEvent(b, e); err != nil {
					t.Error(err)
				}
			}))
		})
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	for name, data := range map[string]string{
		"60B":         strings.Repeat("x", 60),
		"8KiB":        strings.Repeat("x", 8<<10),
		"8KiB/lines":  strings.Repeat(strings.Repeat("x", 63)+"\n", 128),
		"8KiB/umlaut": strings.Repeat("ä", 4<<10),
	} {
		b.Run(name, func(b *testing.B) {
			e := entry(b, "tick", data, 0)
			frame := make([]byte, 0, 16<<10)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sse.AppendEvent(frame, e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
