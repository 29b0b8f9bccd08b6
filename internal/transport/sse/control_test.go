package sse_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/transport/sse"
)

func TestOpeningAndHeartbeatWriteExactBytes(t *testing.T) {
	at, none := event.Position{Epoch: "a1", Offset: 7}, event.Position{}
	retry := 2345 * time.Millisecond
	assert.Equal(t, "retry: 2345\n: carillon\nid: a1-7\n\n", string(sse.AppendOpening(nil, retry, at)))
	assert.Equal(t, "retry: 2345\n: carillon\nid: a1-0\n\n", string(sse.AppendOpening(nil, retry, event.Position{Epoch: "a1"})),
		"the start of an empty log is a place to resume from")
	assert.Equal(t, "retry: 2345\n: carillon\n", string(sse.AppendOpening(nil, retry, none)),
		"clients that dispatch at each blank line would see an empty event")
	assert.Equal(t, ":\nid: a1-7\n\n", string(sse.AppendHeartbeat(nil, at)))
	assert.Equal(t, ":\n", string(sse.AppendHeartbeat(nil, none)))
}

func TestAppendResetWritesExactBytes(t *testing.T) {
	at := func(offset uint64) event.Position { return event.Position{Epoch: "b2", Offset: offset} }
	full := pubsub.Reset{Reason: pubsub.ResetExpired, Requested: "b2-3", Oldest: at(10), Newest: at(20), At: at(9)}
	assert.Equal(t, "id: b2-9\nevent: carillon.reset\n"+
		`data: {"reason":"expired","requested":"b2-3","oldest":"b2-10","newest":"b2-20"}`+"\n\n",
		string(sse.AppendReset(nil, full)))

	empty := pubsub.Reset{Reason: pubsub.ResetMalformed, At: at(0)}
	assert.Equal(t, "id: b2-0\nevent: carillon.reset\n"+
		`data: {"reason":"malformed","requested":"","oldest":"","newest":""}`+"\n\n",
		string(sse.AppendReset(nil, empty)))
}

func TestAppendResetTellsOnlyPlainText(t *testing.T) {
	for _, requested := range []string{"a\nb", "a\rb", "\x00", "\u202e", "\u2028", "\xff", "\uFEFF"} {
		r := pubsub.Reset{Reason: pubsub.ResetMalformed, Requested: requested, At: event.Position{Epoch: "b2", Offset: 1}}
		assert.Equal(t, "id: b2-1\nevent: carillon.reset\n"+
			`data: {"reason":"malformed","requested":"","oldest":"","newest":""}`+"\n\n",
			string(sse.AppendReset(nil, r)), "%q", requested)
	}
	r := pubsub.Reset{Reason: pubsub.ResetMalformed, Requested: `"}<é`, At: event.Position{Epoch: "b2", Offset: 1}}
	assert.Equal(t, "id: b2-1\nevent: carillon.reset\n"+
		`data: {"reason":"malformed","requested":"\"}\u003cé","oldest":"","newest":""}`+"\n\n",
		string(sse.AppendReset(nil, r)))
}

func TestAppendGoawayWritesExactBytes(t *testing.T) {
	assert.Equal(t, "retry: 1750\nevent: carillon.goaway\ndata: {\"reason\":\"drain\"}\n\n",
		string(sse.AppendGoaway(nil, string(pubsub.EndDrain), 1750*time.Millisecond)))
	assert.Equal(t, "retry: 0\nevent: carillon.goaway\ndata: {\"reason\":\"a\\nb\"}\n\n",
		string(sse.AppendGoaway(nil, "a\nb", 0)))
}
