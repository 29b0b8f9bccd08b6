package ndjson_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/ndjson"
)

var (
	_ delivery.Codec       = ndjson.Codec{}
	_ delivery.TopicShower = ndjson.Codec{}
)

func TestCodecWritesExactBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // midnight, 1 January 2000, UTC
		var c ndjson.Codec
		h := http.Header{}
		c.SetHeader(h)
		assert.Equal(t, "application/x-ndjson", h.Get("Content-Type"))
		at := event.Position{Epoch: "a1", Offset: 7}
		const fields = `"topics":[],"type":"carillon.`
		line, err := c.AppendEvent(nil, event.Entry{Position: at, Time: time.Now(), Event: eventtest.MustEvent("x\ny", "a")})
		require.NoError(t, err)
		for want, got := range map[string][]byte{
			`{"id":"a1-7","topics":["a"],"type":"message","time":"2000-01-01T00:00:00.000Z","data":"x\ny"}`:  line,
			`{"id":"a1-7",` + fields + `bookmark","time":"2000-01-01T00:00:00.000Z","data":"","retry":2000}`: c.AppendOpening(nil, pubsub.Opening{At: at}, 2*time.Second),
			``: c.AppendHeartbeat(nil, event.Position{}),
			`{"id":"a1-7",` + fields + `bookmark","time":"2000-01-01T00:00:00.000Z","data":""}`: c.AppendHeartbeat(nil, at),
			`{"id":"a1-7",` + fields + `reset","time":"2000-01-01T00:00:00.000Z","data":"{\"reason\":\"slow\",\"requested\":\"\",\"oldest\":\"\",\"newest\":\"\"}"}`: c.AppendReset(
				nil, pubsub.Reset{Reason: pubsub.ResetSlow, At: at}),
			`{` + fields + `goaway","time":"2000-01-01T00:00:00.000Z","data":"{\"reason\":\"drain\"}","retry":2000}`: c.AppendGoaway(nil, "drain", 2*time.Second),
		} {
			assert.Equal(t, want+"\n", string(got))
		}
		b, err := c.AppendEvent([]byte("before"), event.Entry{Position: event.Position{Epoch: "\xff"}, Event: eventtest.MustEvent("x", "a")})
		require.Error(t, err)
		assert.Equal(t, "before", string(b))
	})
}
