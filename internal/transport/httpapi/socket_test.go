package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
	"carillon/internal/transport/httpapi"
	"carillon/internal/transport/jsonevent"
	"carillon/internal/transport/ws"
)

// socket is a WebSocket client.
type socket struct {
	*websocket.Conn

	t   testing.TB
	ctx context.Context //nolint:containedctx // of the test
}

// heard is a frame of the server.
type heard struct {
	jsonevent.Event

	Sub       string `json:"sub"`
	Published *struct {
		Ref      json.RawMessage `json:"ref"`
		ID       string          `json:"id"`
		Replayed bool            `json:"replayed"`
	} `json:"published"`
	Problem *struct {
		refusal

		Ref        json.RawMessage `json:"ref"`
		Sub        string          `json:"sub"`
		RetryAfter int             `json:"retry_after"`
	} `json:"problem"`
}

// upgrade tries to open a WebSocket connection.
func (s *server) upgrade(query string, header ...string) (*socket, *http.Response, error) {
	s.Helper()
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	s.Cleanup(cancel)
	client := &http.Client{Transport: s.client.Transport}
	if d, ok := client.Transport.(describedTransport); ok {
		client.Transport = d.next
	}
	conn, response, err := websocket.Dial(ctx, s.url+"/events?"+query, &websocket.DialOptions{HTTPHeader: h, HTTPClient: client})
	if err != nil {
		return nil, response, err
	}
	conn.SetReadLimit(1 << 24)
	s.Cleanup(func() { _ = conn.CloseNow() })
	return &socket{Conn: conn, t: s, ctx: ctx}, response, nil
}

// connect opens a WebSocket connection.
func (s *server) connect(query string, header ...string) *socket {
	s.Helper()
	c, response, err := s.upgrade(query, header...)
	require.NoError(s, err)
	if response != nil && response.Body != nil {
		_ = response.Body.Close()
	}
	return c
}

var bearerAll = []string{"Authorization", "Bearer " + tokenAll}

func (c *socket) send(text string) {
	c.t.Helper()
	require.NoError(c.t, c.Write(c.ctx, websocket.MessageText, []byte(text)))
}

func (c *socket) hear() heard {
	c.t.Helper()
	kind, text, err := c.Read(c.ctx)
	require.NoError(c.t, err)
	require.Equal(c.t, websocket.MessageText, kind)
	var h heard
	require.NoError(c.t, json.Unmarshal(text, &h), "%s", text)
	return h
}

// hearEnd waits for the end of the connection and returns how the server closed it.
func (c *socket) hearEnd() websocket.CloseError {
	c.t.Helper()
	for {
		if _, _, err := c.Read(c.ctx); err != nil {
			var end websocket.CloseError
			require.ErrorAs(c.t, err, &end)
			return end
		}
	}
}

// subscribed sends a subscribe frame and waits for the opening.
func (c *socket) subscribed(name, rest string) heard {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"subscribe":{"name":%q,%s}}`, name, rest))
	h := c.hear()
	require.Nil(c.t, h.Problem)
	require.Equal(c.t, name, h.Sub)
	return h
}

func TestSocketDeliversTheQuerysSubscriptionAndOthers(t *testing.T) {
	s := serve(t)
	c := s.connect("topic=a")
	first := c.hear()
	assert.Equal(t, "carillon.bookmark", first.Type)
	assert.Empty(t, first.Sub)
	assert.GreaterOrEqual(t, first.Retry, int64(2000))
	assert.Equal(t, "carillon.bookmark", c.subscribed("b", `"topics":["a","b/*"]`).Type)
	id := idOf(t, s.post("topic=a&topic=b/1&type=t", "x\ny"))
	got := map[string]heard{}
	for range 2 {
		h := c.hear()
		got[h.Sub] = h
	}
	want := jsonevent.Event{ID: id, Topics: []string{"a"}, Type: "t", Time: got[""].Time, Data: "x\ny"}
	assert.Equal(t, want, got[""].Event)
	want.Topics = []string{"a", "b/1"}
	assert.Equal(t, want, got["b"].Event)

	c.send(`{"unsubscribe":{"name":"b"}}`)
	h := c.hear()
	assert.Equal(t, "b", h.Sub)
	assert.Equal(t, "carillon.goaway", h.Type)
	assert.Equal(t, `{"reason":"unsubscribed"}`, h.Data)
	s.post("topic=b/2", "not heard")
	s.post("topic=a", "heard")
	assert.Equal(t, "heard", c.hear().Data)
	c.subscribed("b", `"topics":["b/*"],"last":1`)
	assert.Equal(t, "not heard", c.hear().Data)
}

func TestSocketStartsWhereItIsAsked(t *testing.T) {
	s := serve(t)
	c := s.connect("")
	var ids []string
	for i := range 4 {
		ids = append(ids, idOf(t, s.post("topic=a", fmt.Sprint(i))))
	}
	for start, want := range map[string][]string{
		`"after":"` + ids[1] + `"`: {"2", "3"}, `"last":1`: {"3"}, `"last":0`: nil, `"since":"1h"`: {"0", "1", "2", "3"}, `"latest":true`: {"3"},
	} {
		c.subscribed("x", `"topics":["a"],`+start)
		for _, data := range want {
			assert.Equal(t, data, c.hear().Data, start)
		}
		c.send(`{"unsubscribe":{"name":"x"}}`)
		assert.Equal(t, "carillon.goaway", c.hear().Type)
	}
	h := c.subscribed("x", `"topics":["a"],"after":"nonsense"`)
	assert.Equal(t, "carillon.reset", h.Type)
	assert.Contains(t, h.Data, `"reason":"malformed"`)
	d := s.connect("topic=a&last=2")
	d.hear()
	assert.Equal(t, "2", d.hear().Data)
}

func TestSocketPublishes(t *testing.T) {
	s := serve(t)
	listener := s.connect("topic=**")
	listener.hear()
	c := s.connect("", bearerAll...)
	c.send(`{"publish":{"ref":1,"topic":"a","type":"paid","data":{"order": 42},"key":"k"}}`)
	first := c.hear()
	require.NotNil(t, first.Published)
	assert.Equal(t, "1", string(first.Published.Ref))
	e := listener.hear()
	assert.Equal(t, first.Published.ID, e.ID)
	assert.Equal(t, `{"order":42}`, e.Data)
	assert.Equal(t, "paid", e.Type)
	c.send(`{"publish":{"ref":"again","topic":["a"],"type":"paid","data":"{\"order\":42}","key":"k"}}`)
	again := c.hear()
	require.NotNil(t, again.Published)
	assert.Equal(t, `"again"`, string(again.Published.Ref))
	assert.Equal(t, first.Published.ID, again.Published.ID, "the key was known")
	assert.True(t, again.Published.Replayed)
	c.send(`{"publish":{"ref":3,"topic":"a","data":"another","key":"k"}}`)
	assert.Equal(t, "key_reused", c.hear().Problem.Code)
	c.send(`{"publish":{"topic":"a"}}`)
	assert.Empty(t, c.hear().Published.Ref)
	assert.Empty(t, listener.hear().Data)
}

// Acknowledgements come in the order of the events, problems among them, and the log has the events in that order.
func TestSocketAcknowledgesInOrder(t *testing.T) {
	const events = 5000
	s := serve(t)
	listener := s.connect("topic=a", "Authorization", "Bearer "+tokenAll)
	listener.hear()
	c := s.connect("", bearerAll...)
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		for i := range events {
			topic := "a"
			if i%10 == 9 {
				topic = "*"
			}
			if err := c.Write(c.ctx, websocket.MessageText, fmt.Appendf(nil, `{"publish":{"ref":%d,"topic":%q,"data":"%d"}}`, i, topic, i)); err != nil {
				assert.NoError(t, err)
				return
			}
		}
	})
	for i := range events {
		h := c.hear()
		if i%10 == 9 {
			require.NotNil(t, h.Problem, i)
			require.Equal(t, fmt.Sprint(i), string(h.Problem.Ref))
			require.Equal(t, "invalid_topic", h.Problem.Code)
			continue
		}
		require.NotNil(t, h.Published, i)
		require.Equal(t, fmt.Sprint(i), string(h.Published.Ref))
		e := listener.hear()
		require.Equal(t, h.Published.ID, e.ID)
		require.Equal(t, fmt.Sprint(i), e.Data)
	}
}

func TestSocketRefusesFrames(t *testing.T) {
	s := serve(t, func(s *settings) { s.limits.EventBytes = 1000 })
	c := s.connect("", "Authorization", "Bearer "+tokenOrders)
	for text, want := range map[string]string{
		``: "invalid_frame", `x`: "invalid_frame", `[]`: "invalid_frame", `{}`: "invalid_frame", `null`: "invalid_frame", `{"publish":null}`: "invalid_frame",
		`{"publish":{"topic":"orders/1"},"token":{"value":"x"}}`: "invalid_frame", `{"publish":{"topic":"orders/1"}}{}`: "invalid_frame",
		`{"shout":{}}`: "invalid_frame", `{"publish":{"topic":"orders/1","colour":"red"}}`: "invalid_frame", `{"publish":[]}`: "invalid_frame",
		`{"publish":{"ref":{},"topic":"orders/1"}}`: "invalid_ref", `{"publish":{"ref":"` + strings.Repeat("x", 64) + `","topic":"orders/1"}}`: "invalid_ref",
		`{"publish":{"topic":7}}`: "invalid_topic", `{"publish":{}}`: "invalid_topic", `{"publish":{"topic":"orders/1","type":"carillon.x"}}`: "invalid_type",
		`{"publish":{"topic":"orders/1","retry":-1}}`: "invalid_retry", `{"publish":{"topic":"orders/1","data":"\ud800"}}`: "invalid_frame",
		`{"publish":{"topic":"orders/1","data":"` + strings.Repeat("x", 1001) + `"}}`: "too_large",
		`{"publish":{"topic":"secret"}}`:                                              "forbidden",
		`{"subscribe":{"name":"s","topics":["secret"]}}`:                              "forbidden",
		`{"subscribe":{"name":"s","topics":[]}}`:                                      "invalid_topic",
		`{"subscribe":{"name":"s","topics":["a**"]}}`:                                 "invalid_topic",
		`{"subscribe":{"topics":["orders/1"]}}`:                                       "invalid_name",
		`{"subscribe":{"name":"\u0000","topics":["orders/1"]}}`:                       "invalid_name",
		`{"subscribe":{"name":"s","topics":["orders/1"],"last":-1}}`:                  "invalid_last",
		`{"subscribe":{"name":"s","topics":["orders/1"],"last":"1"}}`:                 "invalid_frame",
		`{"subscribe":{"name":"s","topics":["orders/1"],"since":"x"}}`:                "invalid_since",
		`{"subscribe":{"name":"s","topics":["orders/1"],"latest":"yes"}}`:             "invalid_frame",
		`{"subscribe":{"name":"s","topics":["orders/1"],"latest":true,"last":1}}`:     "invalid_frame",
		`{"subscribe":{"name":"s","topics":["orders/1"],"presence":"x"}}`:             "invalid_presence",
		`{"subscribe":{"name":"s","topics":["orders/1"],"last":1,"after":"x"}}`:       "invalid_frame",
		`{"unsubscribe":{"name":"nobody"}}`:                                           "invalid_name",
		`{"token":{"value":"nonsense"}}`:                                              "token_invalid",
		`{"token":{"value":""}}`:                                                      "token_invalid",
		`{"token":{"value":"` + tokenExpired + `"}}`:                                  "token_expired",
	} {
		c.send(text)
		h := c.hear()
		require.NotNil(t, h.Problem, text)
		assert.Equal(t, want, h.Problem.Code, text)
		assert.NotEmpty(t, h.Problem.Title)
		if strings.Contains(text, `"name":"s"`) {
			assert.Equal(t, "s", h.Problem.Sub, text)
		}
	}
	c.send(`{"publish":{"ref":7,"topic":"orders/1","colour":"red"}}`)
	assert.Equal(t, "7", string(c.hear().Problem.Ref), "what can be read of a frame is used")
	c.send(`{"token":{"value":"` + tokenNoKeys + `"}}`)
	assert.Equal(t, 7, c.hear().Problem.RetryAfter)
	c.send(`{"publish":{"topic":"orders/1"}}`)
	assert.NotNil(t, c.hear().Published, "the connection goes on with its rights")
}

func TestSocketNeedsATokenToPublish(t *testing.T) {
	s := serve(t)
	c := s.connect("")
	c.send(`{"publish":{"ref":1,"topic":"a"}}`)
	assert.Equal(t, "unauthorized", c.hear().Problem.Code)
	c.send(`{"token":{"value":"` + tokenAll + `"}}`)
	c.send(`{"publish":{"ref":2,"topic":"a"}}`)
	assert.Equal(t, "2", string(c.hear().Published.Ref))
}

func TestSocketsFirstFrameMayBeTheToken(t *testing.T) {
	s := serve(t, func(s *settings) {
		s.auth.anonymous = access.Rights{}
		s.sockets.FirstFrame = 200 * time.Millisecond
	})
	c := s.connect("topic=orders/1&last=1")
	s.post("topic=orders/1", "x")
	c.send(`{"token":{"value":"` + tokenOrders + `"}}`)
	assert.Equal(t, "carillon.bookmark", c.hear().Type)
	assert.Equal(t, "x", c.hear().Data)

	late := s.connect("topic=orders/1")
	assert.Equal(t, "unauthorized", late.hear().Problem.Code)
	end := late.hearEnd()
	assert.Equal(t, websocket.StatusPolicyViolation, end.Code)
	assert.Equal(t, `{"reason":"unauthorized"}`, end.Reason)

	wrong := s.connect("topic=orders/1")
	wrong.send(`{"token":{"value":"nonsense"}}`)
	assert.Equal(t, "token_invalid", wrong.hear().Problem.Code)
	assert.Equal(t, websocket.StatusPolicyViolation, wrong.hearEnd().Code)

	assert.Equal(t, websocket.StatusPolicyViolation, s.connect("").hearEnd().Code, "a connection without use")
	s.post("topic=orders/1", "still open")
	assert.Equal(t, "still open", c.hear().Data)
}

func TestSocketIsRefusedBeforeTheUpgrade(t *testing.T) {
	s := serve(t, func(s *settings) {
		s.limits.MaxStreams = 1
		s.http.CORS = httpapi.CORS{Origins: []string{allowedOrigin}}
	})
	for _, c := range []struct {
		query  string
		header []string
		code   string
	}{
		{"topic=a**", nil, "invalid_topic"},
		{"last=5", nil, "invalid_topic"},
		{"topic=a&since=x", nil, "invalid_since"},
		{"topic=a", []string{"Authorization", "Bearer nonsense"}, "token_invalid"},
		{"topic=secret", []string{"Authorization", "Bearer " + tokenOrders}, "forbidden"},
		{"topic=a", []string{"Origin", "https://evil.example"}, "origin_refused"},
		{"topic=orders/1", []string{"Cookie", "carillon=" + tokenOrders, "Origin", "https://evil.example"}, "origin_refused"},
	} {
		_, response, err := s.upgrade(c.query, c.header...)
		require.Error(t, err)
		assert.Equal(t, c.code, problemIn(t, response), c.query)
	}
	c := s.connect("topic=orders/1", "Cookie", "carillon="+tokenOrders, "Origin", allowedOrigin)
	_, response, err := s.upgrade("topic=a")
	require.Error(t, err)
	assert.Equal(t, "stream_limit", problemIn(t, response))
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	eventually(t, "its place is free", func() bool {
		again, _, err := s.upgrade("")
		if err == nil {
			_ = again.CloseNow()
		}
		return err == nil
	})
	require.NoError(t, s.engine.Drain(t.Context(), 0))
	_, response, err = s.upgrade("topic=a")
	require.Error(t, err)
	assert.Equal(t, "draining", problemIn(t, response))
}

// Without configured origins, pages of other origins are refused: browsers let them open and read any WebSocket.
func TestSocketOfAnotherOriginIsRefused(t *testing.T) {
	s := serve(t)
	_, response, err := s.upgrade("topic=a", "Origin", "https://evil.example")
	require.Error(t, err)
	assert.Equal(t, "origin_refused", problemIn(t, response))
	s.connect("topic=a", "Origin", s.url)
	open := serve(t, func(s *settings) { s.http.CORS = httpapi.CORS{Origins: []string{"*"}} })
	open.connect("topic=a", "Origin", "https://any.example")
	_, response, err = open.upgrade("topic=a", "Origin", "https://any.example", "Cookie", "carillon="+tokenAll)
	require.Error(t, err)
	assert.Equal(t, "origin_refused", problemIn(t, response), "a cookie counts only from allowed origins")
}

// A connection counts as its subscriptions, and as one without any.
func TestSocketCountsTowardsTheLimits(t *testing.T) {
	s := serve(t, func(s *settings) { s.limits.MaxStreams = 2 })
	c := s.connect("")
	c.subscribed("1", `"topics":["a"]`)
	c.subscribed("2", `"topics":["a"]`)
	c.send(`{"subscribe":{"name":"3","topics":["a"]}}`)
	h := c.hear()
	assert.Equal(t, "stream_limit", h.Problem.Code)
	assert.Equal(t, "3", h.Problem.Sub)
	for _, name := range []string{"1", "2"} {
		c.send(`{"unsubscribe":{"name":"` + name + `"}}`)
		assert.Equal(t, "carillon.goaway", c.hear().Type)
	}
	eventually(t, "one place is free", func() bool {
		return s.do(http.MethodGet, "/events?topic=a&wait=0", "", "Accept", polls).status == http.StatusOK
	})
	s.connect("").subscribed("1", `"topics":["a"]`)
	assert.Equal(t, http.StatusServiceUnavailable, s.do(http.MethodGet, "/events?topic=a&wait=0", "", "Accept", polls).status)
}

func TestSocketHas64Subscriptions(t *testing.T) {
	s := serve(t)
	c := s.connect("topic=a")
	c.hear()
	for i := range 63 {
		c.subscribed(fmt.Sprint(i), `"topics":["a"]`)
	}
	c.send(`{"subscribe":{"name":"more","topics":["a"]}}`)
	h := c.hear()
	assert.Equal(t, "stream_limit", h.Problem.Code)
	assert.Equal(t, http.StatusTooManyRequests, h.Problem.Status)
	c.send(`{"subscribe":{"name":"5","topics":["a"]}}`)
	assert.Equal(t, "invalid_name", c.hear().Problem.Code)
	s.post("topic=a", "x")
	seen := map[string]bool{}
	for range 64 {
		h := c.hear()
		assert.Equal(t, "x", h.Data)
		seen[h.Sub] = true
	}
	assert.Len(t, seen, 64)
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	eventually(t, "all streams have ended", func() bool { return s.engine.Streams() == 0 })
}

func TestSocketsRightsExpireAndAreRenewed(t *testing.T) {
	const life = 600 * time.Millisecond
	s := serve(t, func(s *settings) {
		s.engine.Heartbeat = 500 * time.Millisecond
		s.auth.rights["short"] = access.Rights{Subscribe: grant("a", "b"), Publish: grant("a"), Expires: time.Now().Add(life)}
		s.auth.rights["renewed"] = access.Rights{Subscribe: grant("a"), Publish: grant("**")}
	})
	c, d := s.connect("topic=a", "Authorization", "Bearer short"), s.connect("topic=a", "Authorization", "Bearer short")
	c.hear()
	d.hear()
	d.subscribed("b", `"topics":["b"]`)
	d.send(`{"token":{"value":"renewed"}}`)
	h := d.hear()
	assert.Equal(t, "forbidden", h.Problem.Code)
	assert.Equal(t, "b", h.Problem.Sub)
	h = d.hear()
	assert.Equal(t, "b", h.Sub)
	assert.Equal(t, `{"reason":"revoked"}`, h.Data)

	assert.Equal(t, `{"reason":"expired"}`, c.hear().Data)
	end := c.hearEnd()
	assert.Equal(t, websocket.StatusPolicyViolation, end.Code)
	assert.Equal(t, `{"reason":"expired"}`, end.Reason)
	d.send(`{"publish":{"topic":"c"}}`)
	assert.NotNil(t, d.hear().Published)
	s.post("topic=a", "goes on")
	assert.Equal(t, "goes on", d.hear().Data)
}

func TestSocketEndsWithTheServer(t *testing.T) {
	s := serve(t)
	c, idle := s.connect("topic=a"), s.connect("", bearerAll...)
	c.hear()
	c.subscribed("b", `"topics":["b"]`)
	idle.send(`{"publish":{"topic":"a"}}`)
	idle.hear()
	c.hear()
	var draining sync.WaitGroup
	defer draining.Wait()
	draining.Go(func() { assert.NoError(t, s.sockets.Drain(t.Context(), 0)) })
	require.NoError(t, s.engine.Drain(t.Context(), 0))
	h := c.hear()
	assert.Equal(t, "carillon.goaway", h.Type)
	assert.GreaterOrEqual(t, h.Retry, int64(2000))
	for _, connection := range []*socket{c, idle} {
		end := connection.hearEnd()
		assert.Equal(t, websocket.StatusServiceRestart, end.Code)
		assert.Regexp(t, `\A{"reason":"drain","retry":[23]\d\d\d}\z`, end.Reason)
	}
}

func TestSocketFramesMustBeTextAndNotTooLarge(t *testing.T) {
	s := serve(t, func(s *settings) { s.limits.EventBytes = 100 })
	c := s.connect("topic=a")
	c.hear()
	require.NoError(t, c.Write(c.ctx, websocket.MessageBinary, []byte("{}")))
	assert.Equal(t, websocket.StatusUnsupportedData, c.hearEnd().Code)
	c = s.connect("topic=a")
	c.hear()
	_ = c.Write(c.ctx, websocket.MessageText, make([]byte, 200<<10))
	assert.Equal(t, websocket.StatusMessageTooBig, c.hearEnd().Code)
	eventually(t, "both have ended", func() bool { return s.engine.Streams() == 0 })
}

// The largest event fits in a frame, however its client escapes it.
func TestSocketTakesTheLargestEventEscaped(t *testing.T) {
	s := serve(t)
	c := s.connect("topic=a", bearerAll...)
	c.hear()
	c.send(`{"publish":{"topic":"a","data":"` + strings.Repeat(`\u0000`, 1<<20) + `"}}`)
	for range 2 {
		if h := c.hear(); h.Published == nil {
			assert.Equal(t, strings.Repeat("\x00", 1<<20), h.Data)
		}
	}
}

func TestSocketIsPingedAndFoundDead(t *testing.T) {
	s := serve(t, func(s *settings) {
		s.sockets.Heartbeat, s.sockets.DeadAfter = 100*time.Millisecond, 300*time.Millisecond
	})
	pings := make(chan struct{}, 100)
	client := &http.Client{Transport: s.client.Transport.(describedTransport).next}
	alive, _, err := websocket.Dial(t.Context(), s.url+"/events?topic=a", &websocket.DialOptions{
		HTTPClient: client, OnPingReceived: func(context.Context, []byte) bool { pings <- struct{}{}; return true },
	})
	require.NoError(t, err)
	dead := s.connect("topic=b") // does not read, so it answers no ping
	eventually(t, "both streams", func() bool { return s.engine.Streams() == 2 })
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		for {
			if _, _, err := alive.Read(t.Context()); err != nil {
				return
			}
		}
	}()
	defer func() { _ = alive.CloseNow(); <-reading }()
	for range 10 {
		<-pings
	}
	eventually(t, "the dead one has ended", func() bool { return s.engine.Streams() == 1 })
	select {
	case <-reading:
		assert.Fail(t, "the one that answers was ended")
	default:
	}
	_ = dead.CloseNow()
	eventually(t, "the record", func() bool { return s.logs.FilterMessage("websocket closed").Len() == 1 })
	assert.Equal(t, "dead", s.logs.FilterMessage("websocket closed").All()[0].ContextMap()["reason"])
}

// A client that does not read delays neither publishers nor other clients, and is not read either.
func TestSocketThatDoesNotReadHoldsUpNobody(t *testing.T) {
	s := serve(t, func(s *settings) { s.sockets.WriteTimeout = 300 * time.Millisecond })
	stuck := s.connect("topic=a", bearerAll...)
	reader := s.connect("topic=a")
	reader.hear()
	data := strings.Repeat("x", 512<<10)
	for i := range 60 {
		require.Equal(t, http.StatusCreated, s.post("topic=a", fmt.Sprint(i, data)).status)
		assert.Equal(t, fmt.Sprint(i, data), reader.hear().Data)
	}
	eventually(t, "the stuck one has ended", func() bool { return s.engine.Streams() == 1 })
	_ = stuck.CloseNow()
}

// A request that could be upgraded only over another version of HTTP is one for a stream.
func TestNoUpgradeInHTTP10(t *testing.T) {
	s := serve(t)
	s.post("topic=a", "x")
	response := s.raw("GET /events?topic=a&last=1&wait=0s HTTP/1.0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nAccept: application/json\r\n\r\n")
	assert.Contains(t, response, "200 OK")
	assert.Contains(t, response, `"data":"x"`)
	assert.False(t, ws.Requested(&http.Request{ProtoMajor: 2, Header: http.Header{"Upgrade": {"websocket"}}}))
}

// Presence is told to every subscription that asks for it, under its name.
func TestSocketTellsPresence(t *testing.T) {
	s := serve(t)
	c := s.connect("topic=a&presence=count")
	c.hear()
	assert.Equal(t, "carillon.count", c.hear().Type)
	c.subscribed("b", `"topics":["b"],"presence":"count"`)
	h := c.hear()
	assert.Equal(t, "carillon.count", h.Type)
	assert.Equal(t, "b", h.Sub)
	assert.Empty(t, h.ID)
	assert.Contains(t, h.Data, `"streams":1`)
}

// A token that no longer holds publishes nothing more, soon after.
func TestSocketsTokenIsVerifiedAgain(t *testing.T) {
	s := serve(t, func(s *settings) { s.auth.rights["withdrawn"] = access.Rights{Publish: grant("**")} })
	c := s.connect("", "Authorization", "Bearer withdrawn")
	c.send(`{"publish":{"topic":"a"}}`)
	require.NotNil(t, c.hear().Published)
	s.tokens.withdraw("withdrawn")
	eventually(t, "it is refused", func() bool {
		c.send(`{"publish":{"topic":"a"}}`)
		h := c.hear()
		return h.Problem != nil && h.Problem.Code == "token_invalid"
	})
}
