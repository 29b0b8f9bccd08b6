package client_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/client"
	"carillon/internal/domain/event"
	"carillon/internal/transport/sse"
)

// Over real sockets, every connection is cut at a random place, often in the middle of a frame.
func TestSubscribeMissesAndRepeatsNothingOverBrokenConnections(t *testing.T) {
	const events = 500
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := event.ParsePosition(r.Header.Get("Last-Event-ID"))
		if err != nil {
			from = event.Position{Epoch: "a1"}
		}
		b := sse.AppendOpening(nil, time.Millisecond, from)
		for n := from.Offset + 1; n <= events; n++ {
			data, err := event.ParseData(fmt.Sprintf("event %d\nof many", n))
			if assert.NoError(t, err) {
				b, err = sse.AppendEvent(b, event.Entry{Position: event.Position{Epoch: "a1", Offset: n}, Event: event.Event{Data: data}})
				assert.NoError(t, err)
			}
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write(b[:min(len(b), 500+rand.IntN(10_000))])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // closes the connection
	}))
	defer web.Close()

	done := errors.New("done")
	var got []string
	err := newClient(t, config(web.URL), nil).Subscribe(t.Context(), client.SubscribeRequest{}, func(m client.Event) error {
		got = append(got, m.Data)
		if len(got) == events {
			return done
		}
		return nil
	})
	require.ErrorIs(t, err, done)
	for i, data := range got {
		require.Equal(t, fmt.Sprintf("event %d\nof many", i+1), data)
	}
}
