package sse_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/transport/sse"
)

// decode reads a stream to its end.
func decode(t *testing.T, r io.Reader) []sse.Message {
	t.Helper()
	var all []sse.Message
	for d := sse.NewDecoder(r, large, ""); ; {
		m, err := d.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, m)
	}
}

// message is an event of the default type.
func message(id, data string) sse.Message { return sse.Message{ID: id, Type: "message", Data: data} }

var grammar = []struct {
	name, stream string
	want         []sse.Message
}{
	{"LF", "data: a\n\n", []sse.Message{message("", "a")}},
	{"CR", "data: a\r\r", []sse.Message{message("", "a")}},
	{"CRLF", "data: a\r\n\r\n", []sse.Message{message("", "a")}},
	{"mixed line ends", "data: a\r\ndata: b\ndata: c\r\n\ndata: d\n\r\n", []sse.Message{message("", "a\nb\nc"), message("", "d")}},
	{"CR then LF then LF", "data: a\r\n\ndata: b\n\n", []sse.Message{message("", "a"), message("", "b")}},
	{"byte order mark", "\uFEFFdata: a\n\n", []sse.Message{message("", "a")}},
	{"byte order mark counts once", "\uFEFF\uFEFFdata: a\n\ndata: b\n\n", []sse.Message{message("", "b")}},
	{"byte order mark later", "data: a\n\n\uFEFFdata: b\n\ndata: c\n\n", []sse.Message{message("", "a"), message("", "c")}},
	{"no space", "data:a\n\n", []sse.Message{message("", "a")}},
	{"one space is taken", "data:  a\n\n", []sse.Message{message("", " a")}},
	{"a tab is kept", "data:\ta\n\n", []sse.Message{message("", "\ta")}},
	{"no colon", "data\n\ndata\ndata\n\n", []sse.Message{message("", ""), message("", "\n")}},
	{"empty data", "data:\n\n", []sse.Message{message("", "")}},
	{"no data is no event", "event: x\n\ndata: a\n\n", []sse.Message{message("", "a")}},
	{"type", "event: x\ndata: a\n\ndata: b\n\n", []sse.Message{{Type: "x", Data: "a"}, message("", "b")}},
	{"empty type", "event: x\nevent:\ndata: a\n\n", []sse.Message{message("", "a")}},
	{"last type counts", "event: x\nevent: y\ndata: a\n\n", []sse.Message{{Type: "y", Data: "a"}}},
	{"comments", ":c\n: c\n:\ndata: a\n:c\ndata: b\n\n:\n\n", []sse.Message{message("", "a\nb")}},
	{"unknown fields", "foo: x\ndata: a\nDATA: x\n data: x\ndata : x\nbar\n\n", []sse.Message{message("", "a")}},
	{"id stays", "id: 1\ndata: a\n\ndata: b\n\n", []sse.Message{message("1", "a"), message("1", "b")}},
	{"id without data counts", "id: 1\n\ndata: b\n\n", []sse.Message{message("1", "b")}},
	{"empty id resets", "id: 1\ndata: a\n\nid\ndata: b\n\n", []sse.Message{message("1", "a"), message("", "b")}},
	{"id with NUL is ignored", "id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n", []sse.Message{message("1", "a"), message("1", "b")}},
	{"retry", "retry: 1500\ndata: a\n\ndata: b\n\n", []sse.Message{{Type: "message", Data: "a", Retry: 1500 * time.Millisecond}, message("", "b")}},
	{"retry that is none", "retry: 1s\nretry: -1\nretry: +1\nretry: 1.5\nretry:\nretry:  5\nretry: 1_0\nretry: 99999999999999999999\ndata: a\n\n", []sse.Message{message("", "a")}},
	{"cut in a line", "data: a\n\ndata: b", []sse.Message{message("", "a")}},
	{"cut before the blank line", "data: a\n\ndata: b\n", []sse.Message{message("", "a")}},
	{"NUL in data", "data: a\x00b\n\n", []sse.Message{message("", "a\x00b")}},
	{"characters of many bytes", "data: é日👩\n\n", []sse.Message{message("", "é日👩")}},
	{"broken UTF-8", "data: a\xffb\nevent: \xc3\n\n", []sse.Message{{Type: "\uFFFD", Data: "a\uFFFDb"}}},
	{"blank lines", "\n\n\r\r\r\n\r\n", nil},
	{"nothing", "", nil},
	{"large data", "data: x" + strings.Repeat("é", 5<<19) + "\n\ndata: a\n\n", []sse.Message{message("", "x"+strings.Repeat("é", 5<<19)), message("", "a")}},
}

func TestDecoderFollowsTheGrammar(t *testing.T) {
	for _, c := range grammar {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, decode(t, strings.NewReader(c.stream)), "at once")
			assert.Equal(t, c.want, decode(t, iotest.HalfReader(strings.NewReader(c.stream))), "in halves of a buffer")
			assert.Equal(t, c.want, decode(t, iotest.DataErrReader(strings.NewReader(c.stream))), "with the end")
			if len(c.stream) > 1000 {
				return
			}
			assert.Equal(t, c.want, decode(t, iotest.OneByteReader(strings.NewReader(c.stream))), "byte by byte")
			for cut := range len(c.stream) {
				parts := io.MultiReader(strings.NewReader(c.stream[:cut]), strings.NewReader(c.stream[cut:]))
				assert.Equal(t, c.want, decode(t, parts), "cut at %d", cut)
			}
		})
	}
}

// A reader that never gives more would hang a decoder that waits for what follows a CR.
func TestDecoderDoesNotWaitForTheLineFeedAfterACarriageReturn(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	go func() {
		_, _ = w.Write([]byte("data: a\r\r"))
		_, _ = w.Write([]byte("\ndata: b\r\n\r"))
	}()
	d := sse.NewDecoder(r, large, "")
	for _, want := range []string{"a", "b"} {
		m, err := d.Next()
		require.NoError(t, err)
		assert.Equal(t, want, m.Data)
	}
}

func TestDecoderKnowsWhereToResume(t *testing.T) {
	d := sse.NewDecoder(strings.NewReader("retry: 2345\n: carillon\nid: a1-7\n\nid: a1-8\ndata: x\n\nid: a1-9\ndata: cut"), large, "a1-5")
	assert.Equal(t, "a1-5", d.LastEventID())
	_, told := d.Retry()
	assert.False(t, told)

	m, err := d.Next()
	require.NoError(t, err)
	assert.Equal(t, message("a1-8", "x"), m)
	retry, told := d.Retry()
	assert.True(t, told)
	assert.Equal(t, 2345*time.Millisecond, retry)

	_, err = d.Next()
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, "a1-8", d.LastEventID(), "the id of an unfinished event does not count")

	d = sse.NewDecoder(strings.NewReader("data: x\n\n:\nid: a1-7\n\nid: a1-8\n"), large, "a1-5")
	m, err = d.Next()
	require.NoError(t, err)
	assert.Equal(t, "a1-5", m.ID, "an event without an id does not forget the one before the reconnect")
	_, err = d.Next()
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, "a1-7", d.LastEventID(), "a bookmark counts")
}

func TestDecoderShowsComments(t *testing.T) {
	d := sse.NewDecoder(strings.NewReader(": carillon\n\n:\n:a: b\n"), large, "")
	var comments []string
	d.Comment = func(text string) { comments = append(comments, text) }
	_, err := d.Next()
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, []string{"carillon", "", "a: b"}, comments)
}

func TestDecoderIsBounded(t *testing.T) {
	const limit = 100
	fits := strings.Repeat("x", limit)
	for name, stream := range map[string]string{
		"data":                "data: " + fits + "x\n\n",
		"data of many lines":  strings.Repeat("data: x\n", limit/2) + "data: xx\n\n",
		"empty data lines":    strings.Repeat("data\n", limit+2) + "\n",
		"a line without end":  strings.Repeat("x", 1<<20),
		"a comment":           ":" + strings.Repeat("x", 2*limit) + "\n",
		"an id":               "id: " + strings.Repeat("x", 2*limit) + "\n",
		"split in many reads": "data: " + strings.Repeat("x", 1<<16) + "\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			d := sse.NewDecoder(strings.NewReader("data: "+fits+"\n\n"+stream+"\n\ndata: a\n\n"), limit, "")
			m, err := d.Next()
			require.NoError(t, err, "what just fits")
			assert.Equal(t, fits, m.Data)
			_, err = d.Next()
			require.ErrorIs(t, err, sse.ErrTooLarge)
			_, err = d.Next()
			require.ErrorIs(t, err, sse.ErrTooLarge, "an error stays")
		})
	}

	d := sse.NewDecoder(strings.NewReader(strings.Repeat(":\n", 10*limit)+"data: a\n\n"), limit, "")
	_, err := d.Next()
	require.NoError(t, err, "heartbeats do not add up")
}

func TestDecoderPassesTheReadersErrorOn(t *testing.T) {
	broken := errors.New("broken")
	d := sse.NewDecoder(io.MultiReader(strings.NewReader("data: a\n\ndata: b\n"), iotest.ErrReader(broken)), large, "")
	_, err := d.Next()
	require.NoError(t, err)
	_, err = d.Next()
	require.ErrorIs(t, err, broken)
}

// A stream decodes to the same messages, whatever parts it is read in.
func FuzzDecode(f *testing.F) {
	for _, c := range grammar {
		if len(c.stream) < 1000 {
			f.Add([]byte(c.stream))
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole := sse.NewDecoder(bytes.NewReader(stream), 64, "")
		single := sse.NewDecoder(iotest.OneByteReader(bytes.NewReader(stream)), 64, "")
		for {
			a, errA := whole.Next()
			b, errB := single.Next()
			require.Equal(t, a, b)
			require.Equal(t, errA, errB)
			require.Equal(t, whole.LastEventID(), single.LastEventID())
			if errA != nil {
				return
			}
			require.LessOrEqual(t, len(a.Data), 3*64) // a broken byte becomes three
			require.NotContains(t, a.Data, "\r")
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	for name, size := range map[string]int{"60B": 60, "8KiB": 8 << 10} {
		b.Run(name, func(b *testing.B) {
			frame, err := sse.AppendEvent(nil, entry(b, "tick", strings.Repeat("x", size), 0))
			require.NoError(b, err)
			r, stream := &bytes.Reader{}, bytes.Repeat(frame, 100)
			d := sse.NewDecoder(readerFunc(func(p []byte) (int, error) {
				if r.Len() == 0 {
					r.Reset(stream)
				}
				return r.Read(p)
			}), large, "")
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
