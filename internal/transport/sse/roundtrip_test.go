package sse_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/launchdarkly/eventsource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	gosse "github.com/tmaxmax/go-sse"

	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/transport/sse"
)

const large = 6 << 20

// seen is what a parser makes of one event.
type seen struct{ ID, Type, Data string }

var parsers = map[string]func(io.Reader) ([]seen, error){
	"ours": func(r io.Reader) (all []seen, err error) {
		for d := sse.NewDecoder(r, large, ""); ; {
			m, err := d.Next()
			if errors.Is(err, io.EOF) {
				return all, nil
			}
			if err != nil {
				return all, err
			}
			all = append(all, seen{m.ID, m.Type, m.Data})
		}
	},
	"tmaxmax/go-sse": func(r io.Reader) (all []seen, err error) {
		for e, err := range gosse.Read(r, &gosse.ReadConfig{MaxEventSize: 2 * large}) {
			if err != nil {
				return all, err
			}
			all = append(all, seen{e.LastEventID, orMessage(e.Type), e.Data})
		}
		return all, nil
	},
	"launchdarkly/eventsource": func(r io.Reader) (all []seen, err error) {
		for d := eventsource.NewDecoder(r); ; {
			e, err := d.Decode()
			if errors.Is(err, io.EOF) {
				return all, nil
			}
			if err != nil {
				return all, err
			}
			all = append(all, seen{e.Id(), orMessage(e.Event()), e.Data()})
		}
	},
}

func orMessage(name string) string {
	if name == "" {
		return "message"
	}
	return name
}

// Every hostile text is sent as data and as type; what is not refused comes back the same from every parser, and the
// unchanged event after it too.
func TestHostileTextComesBackTheSameFromEveryParser(t *testing.T) {
	texts := append([]string{strings.Repeat("x", 5<<20), strings.Repeat("a\n", 1<<16), strings.Repeat("é", 1<<20)}, eventtest.Hostile...)
	var stream []byte
	var want []seen
	add := func(name, data string) {
		kind, err := event.ParseType(name)
		if err != nil {
			require.ErrorIs(t, err, event.ErrInvalid)
			return
		}
		payload, err := event.ParseData(data)
		require.NoError(t, err)
		e := event.Entry{Position: event.Position{Epoch: "a1", Offset: uint64(len(want) + 1)}, Event: event.Event{Type: kind, Data: payload}}
		stream, err = sse.AppendEvent(stream, e)
		require.NoError(t, err)
		want = append(want, seen{e.Position.String(), kind.String(), payload.String()})
	}
	for _, text := range texts {
		add("", text)
		add("tick", text)
		add(text, "honest")
	}
	require.Greater(t, len(want), 2*len(texts), "some texts are good types")

	for name, parse := range parsers {
		t.Run(name, func(t *testing.T) {
			got, err := parse(bytes.NewReader(stream))
			require.NoError(t, err)
			require.Len(t, got, len(want))
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("event %d: sent %.200q, got %.200q", i, fmt.Sprint(want[i]), fmt.Sprint(got[i]))
				}
			}
		})
	}
}

// Neither an opening nor heartbeats without a bookmark are an event, nor do they change the one that follows: also for
// clients that dispatch at each blank line, so they write none.
func TestOpeningAndHeartbeatsAreNoEvents(t *testing.T) {
	stream := sse.AppendOpening(nil, time.Second, event.Position{})
	stream = sse.AppendHeartbeat(sse.AppendHeartbeat(stream, event.Position{}), event.Position{})
	stream, err := sse.AppendEvent(stream, entry(t, "tick", "one", 0))
	require.NoError(t, err)
	stream = sse.AppendHeartbeat(stream, event.Position{})
	stream, err = sse.AppendEvent(stream, entry(t, "tick", "two", 0))
	require.NoError(t, err)
	assert.Equal(t, 2, bytes.Count(stream, []byte("\n\n")))
	for name, parse := range parsers {
		got, err := parse(bytes.NewReader(stream))
		require.NoError(t, err, name)
		assert.Equal(t, []seen{{"a1-7", "tick", "one"}, {"a1-7", "tick", "two"}}, got, name)
	}
}

func TestInvalidUTF8IsNoData(t *testing.T) {
	for _, data := range []string{"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80"} {
		_, err := event.ParseData(data)
		assert.ErrorIs(t, err, event.ErrInvalid, "%q", data)
	}
}

func FuzzEncodeRoundTrip(f *testing.F) {
	for _, text := range eventtest.Hostile {
		f.Add("a1", uint64(7), "tick", text, int64(0))
		f.Add(text, uint64(7), text, "data", int64(1500))
	}
	f.Fuzz(func(t *testing.T, epoch string, offset uint64, name, data string, ms int64) {
		kind, err := event.ParseType(name)
		if err != nil {
			kind = unchecked[event.Type](name)
		}
		payload, dataErr := event.ParseData(data)
		if dataErr != nil {
			payload = unchecked[event.Data](data)
		}
		retry := time.Duration(ms) * time.Millisecond
		if event.CheckRetry(retry) != nil {
			retry = 0
		}
		e := event.Entry{
			Position: event.Position{Epoch: event.Epoch(epoch), Offset: offset},
			Event:    event.Event{Type: kind, Data: payload, Retry: retry},
		}
		stream, encErr := sse.AppendEvent([]byte(":\n"), e)
		if encErr != nil {
			require.ErrorIs(t, encErr, sse.ErrUnencodable)
			require.Equal(t, ":\n", string(stream))
			return
		}
		require.NoError(t, dataErr, "what is no data was encoded")
		stream, err = sse.AppendEvent(stream, entry(t, "next", "honest", 0))
		require.NoError(t, err)

		d := sse.NewDecoder(bytes.NewReader(stream), len(stream), "")
		got, err := d.Next()
		require.NoError(t, err)
		want := sse.Message{Type: kind.String(), Data: payload.String(), Retry: retry}
		if !e.Position.IsZero() {
			want.ID = e.Position.String()
		}
		require.Equal(t, want, got)
		got, err = d.Next()
		require.NoError(t, err)
		require.Equal(t, sse.Message{ID: "a1-7", Type: "next", Data: "honest"}, got)
		_, err = d.Next()
		require.ErrorIs(t, err, io.EOF)
	})
}
