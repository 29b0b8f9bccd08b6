package sse_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/sse"
)

var (
	_ delivery.Codec       = sse.JSONCodec{}
	_ delivery.Refuser     = sse.JSONCodec{}
	_ delivery.TopicShower = sse.JSONCodec{}
)

func TestJSONCodecWritesExactBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // midnight, 1 January 2000, UTC
		var c sse.JSONCodec
		at := event.Position{Epoch: "a1", Offset: 7}
		priced := eventtest.MustEvent("x\n\ny", "a")
		priced.Type, priced.Retry = eventtest.MustType("price"), 1500*time.Millisecond
		frame, err := c.AppendEvent(nil, event.Entry{Position: at, Time: time.Now(), Event: priced})
		require.NoError(t, err)
		reset := pubsub.Reset{Reason: pubsub.ResetSlow, At: at}
		const resetFrame = "id: a1-7\ndata: " + `{"id":"a1-7","topics":[],"type":"carillon.reset","time":"2000-01-01T00:00:00.000Z",` +
			`"data":"{\"reason\":\"slow\",\"requested\":\"\",\"oldest\":\"\",\"newest\":\"\"}"}` + "\n\n"
		const goaway = "retry: 2000\ndata: " + `{"topics":[],"type":"carillon.goaway","time":"2000-01-01T00:00:00.000Z","data":"{\"reason\":\"drain\"}","retry":2000}` + "\n\n"
		assert.Equal(t, "id: a1-7\nretry: 1500\ndata: "+
			`{"id":"a1-7","topics":["a"],"type":"price","time":"2000-01-01T00:00:00.000Z","data":"x\n\ny","retry":1500}`+"\n\n", string(frame))
		assert.Equal(t, "retry: 2000\n: carillon\nid: a1-7\n\n", string(c.AppendOpening(nil, pubsub.Opening{At: at}, 2*time.Second)))
		assert.Equal(t, "retry: 2000\n: carillon\n"+resetFrame, string(c.AppendOpening(nil, pubsub.Opening{At: at, Reset: &reset}, 2*time.Second)))
		assert.Equal(t, resetFrame, string(c.AppendReset(nil, reset)))
		assert.Equal(t, ":\nid: a1-7\n\n", string(c.AppendHeartbeat(nil, at)))
		assert.Equal(t, goaway, string(c.AppendGoaway(nil, "drain", 2*time.Second)))
		assert.Equal(t, goaway, string(c.AppendRefusal(nil, "drain", 2*time.Second)))
	})
}
