package natslog_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/infra/natslog/natstest"
)

// Another program reads what a node publishes with any NATS client.
func TestOthersReadWhatIsPublished(t *testing.T) {
	servers := natstest.Start(t)
	conn, _ := client(t, servers)
	cfg := config(servers, pubsubtest.LargeLimits())
	cfg.Prefix = "shop"
	n := open(t, cfg)
	heard, err := conn.SubscribeSync("shop.orders.>")
	require.NoError(t, err)
	require.NoError(t, conn.Flush())
	plain := say(`{"total": 12}`, "orders/eu/42")
	full := say("two", "orders/eu/43", "customers/7")
	full.Type, full.Key, full.Retry = eventtest.MustType("order.paid"), eventtest.MustKey("k1"), 1500*time.Millisecond
	publish(t, n, plain)
	publish(t, n, full)
	msg, err := heard.NextMsg(5 * time.Second)
	require.NoError(t, err)
	assert.Equal(t, "shop.orders.eu.42", msg.Subject)
	assert.Equal(t, `{"total": 12}`, string(msg.Data))
	assert.Empty(t, msg.Header, "nothing but the default")
	msg, err = heard.NextMsg(5 * time.Second)
	require.NoError(t, err)
	assert.Equal(t, "shop.orders.eu.43", msg.Subject)
	assert.Equal(t, nats.Header{
		"Carillon-Topic": {"customers/7"}, "Carillon-Type": {"order.paid"}, "Carillon-Retry": {"1500"}, "Nats-Msg-Id": {"k1"},
	}, msg.Header)
}

// What another program publishes is an event, with the same keys. What is no event is an entry that reaches nobody: it is
// counted once, logged without its content, and the rest is delivered.
func TestOthersPublish(t *testing.T) {
	servers := natstest.Start(t)
	conn, js := client(t, servers)
	cfg := config(servers, pubsubtest.LargeLimits())
	cfg.Prefix, cfg.EventBytes = "shop", 1000
	n := open(t, cfg)
	c := collect(t, n, nil)
	send := func(subject, data string, header nats.Header) {
		ack, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: subject, Data: []byte(data), Header: header})
		require.NoError(t, err)
		require.Equal(t, cfg.Stream, ack.Stream)
	}
	send("shop.orders.eu.42", "one\r\n", nil)
	send("shop.orders.eu.42", "canary\xff", nil)                                                     // no UTF-8
	send("shop.orders.eu.42", "canary", nats.Header{"Carillon-Type": {"carillon.reset"}})            // reserved
	send("shop.orders.100%", "canary", nil)                                                          // no topic
	send("shop.orders", strings.Repeat("canary", 200), nil)                                          // too large
	send("shop.orders", "two", nats.Header{"Nats-Msg-Id": {"k"}, "Carillon-Topic": {"a/b", "c%20"}}) // with a key
	_, err := conn.Request("shop.orders", []byte("three"), 5*time.Second)
	require.NoError(t, err)
	two := say("two", "orders", "a/b", "c ")
	two.Key = eventtest.MustKey("k")
	assert.EqualValues(t, 6, publish(t, n, two)[0].Offset, "the key of another program is known")
	_, err = n.Append(t.Context(), []event.Event{keyed("other", "k")})
	require.ErrorIs(t, err, pubsub.ErrKeyReused)
	last := publish(t, n, say("four", "t"))[0]
	assert.EqualValues(t, 8, last.Offset)

	want := []event.Event{say("one\n", "orders/eu/42"), {}, {}, {}, {}, two, say("three", "orders"), say("four", "t")}
	entries, err := n.Read(t.Context(), n.Extent().At(0), 100)
	require.NoError(t, err)
	for _, all := range [][]event.Entry{c.upTo(t, last.Offset), entries} {
		require.Len(t, all, len(want))
		for i, e := range all {
			assert.Equal(t, want[i], e.Event)
			assert.EqualValues(t, i+1, e.Position.Offset)
		}
	}
	assert.EqualValues(t, 4, n.Skipped(), "each once, although it was read twice")
	records := n.records.FilterMessage("skipped a message that is no event").All()
	require.Len(t, records, 1, "records are bounded")
	assert.Equal(t, uint64(2), records[0].ContextMap()["offset"])
	assert.Equal(t, "data is not valid UTF-8", records[0].ContextMap()["error"])
	for _, record := range n.records.All() {
		assert.NotContains(t, fmt.Sprint(record.ContextMap()), "canary")
	}
}
