package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
	"carillon/internal/client"
	"carillon/internal/transport/sse"
)

func TestPublishAndSubscribe(t *testing.T) {
	s := program.Start(t, "AUTH_PUBLISH_TOKEN=sesame", "CLOCK_INTERVAL=20ms")
	command := func(input string, args ...string) servertest.Result {
		return program.Run(t, input, args, "URL="+s.URL(""), "TOKEN=sesame")
	}
	var ids []string
	publish := func(input string, args ...string) {
		t.Helper()
		got := command(input, append([]string{"publish"}, args...)...)
		require.Zero(t, got.Code, got.Stderr)
		require.Regexp(t, `\A[a-z0-9]+-\d+\n\z`, got.Stdout)
		ids = append(ids, strings.TrimSpace(got.Stdout))
	}
	publish("", "greetings/1", "hello, world")
	publish("from standard\ninput\r\n", "greetings/2")
	publish("a dash\n\n", "greetings/3", "-", "--type", "note", "--topic", "also", "--key", "k1")
	publish("", "greetings/4", "\x1b[31mred \u00e9\x07")
	again := command("a dash\n\n", "publish", "greetings/3", "-", "--type", "note", "--topic", "also", "--key", "k1")
	assert.Equal(t, ids[2]+"\n", again.Stdout, "a key publishes once")
	reused := command("", "publish", "greetings/3", "another", "--key", "k1")
	assert.Equal(t, 1, reused.Code)
	assert.Contains(t, reused.Stderr, "key_reused")

	t.Run("as text", func(t *testing.T) {
		got := command("", "subscribe", "greetings/*", "--last", "10", "--count", "4")
		assert.Zero(t, got.Code, got.Stderr)
		assert.Equal(t, ids[0]+"\tmessage\thello, world\n"+
			ids[1]+"\tmessage\tfrom standard\n\tinput\n"+
			ids[2]+"\tnote\ta dash\n\t\n"+
			ids[3]+"\tmessage\t\ufffd[31mred \u00e9\ufffd\n", got.Stdout, "terminal controls are replaced")
		assert.Empty(t, got.Stderr)
	})
	for _, transport := range client.Transports {
		t.Run("over "+string(transport), func(t *testing.T) {
			got := command("", "subscribe", "also", "--json", "--last-event-id", ids[0], "--count", "1", "--transport", string(transport))
			assert.Zero(t, got.Code, got.Stderr)
			var event map[string]any
			require.NoError(t, json.Unmarshal([]byte(got.Stdout), &event))
			assert.Regexp(t, `\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z`, event["time"])
			delete(event, "time")
			assert.Equal(t, map[string]any{"id": ids[2], "topics": []any{"also"}, "type": "note", "data": "a dash\n"}, event)
			got = command("", "subscribe", "greetings/*", "--last", "2", "--count", "2", "--transport", string(transport))
			assert.Equal(t, ids[2]+"\tnote\ta dash\n\t\n"+ids[3]+"\tmessage\t\ufffd[31mred \u00e9\ufffd\n", got.Stdout)
			assert.Empty(t, got.Stderr)
			got = command("", "subscribe", "greetings/**", "--last-event-id", "another-7", "--count", "1", "--transport", string(transport))
			assert.Equal(t, ids[0]+"\tmessage\thello, world\n", got.Stdout)
			assert.Contains(t, got.Stderr, `carillon: reset {"reason":"epoch"`)
			got = command("", "subscribe", "greetings/**x", "--transport", string(transport))
			assert.Equal(t, 1, got.Code)
			assert.Contains(t, got.Stderr, "400 invalid_topic")
		})
	}
	t.Run("a reset is reported", func(t *testing.T) {
		got := command("", "subscribe", "greetings/**", "--last-event-id", "another-7", "--count", "1")
		assert.Zero(t, got.Code)
		assert.Equal(t, ids[0]+"\tmessage\thello, world\n", got.Stdout)
		assert.Contains(t, got.Stderr, `carillon: reset {"reason":"epoch"`)
	})
	t.Run("a reset as JSON", func(t *testing.T) {
		got := command("", "subscribe", "also", "--json", "--last-event-id", "another-7", "--count", "1")
		assert.Zero(t, got.Code)
		assert.Empty(t, got.Stderr)
		reset, first, _ := strings.Cut(got.Stdout, "\n")
		var event map[string]any
		require.NoError(t, json.Unmarshal([]byte(reset), &event))
		assert.Equal(t, "carillon.reset", event["type"])
		assert.Contains(t, event["data"], `"reason":"epoch"`)
		require.NoError(t, json.Unmarshal([]byte(first), &event), "--count does not count control events")
		assert.Equal(t, ids[2], event["id"])
	})
	t.Run("a URL with the route", func(t *testing.T) {
		got := command("", "subscribe", "--count", "1", "--url", s.URL("/events"))
		assert.Zero(t, got.Code, got.Stderr)
		assert.NotEmpty(t, got.Stdout)
	})
	t.Run("the clock", func(t *testing.T) {
		got := command("", "subscribe", "--count", "2")
		assert.Zero(t, got.Code, got.Stderr)
		assert.Regexp(t, `\A([a-z0-9]+-\d+\tmessage\t\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n){2}\z`, got.Stdout)
	})
}

func TestClientCommandErrors(t *testing.T) {
	s := program.Start(t, "AUTH_PUBLISH_TOKEN=sesame")
	for _, c := range []struct {
		name   string
		token  string
		args   []string
		code   int
		stderr string
	}{
		{"no token", "", []string{"publish", "a", "b"}, 1, "set CARILLON_TOKEN"},
		{"a wrong token", "simsim", []string{"publish", "a", "b"}, 1, "401"},
		{"an invalid topic", "sesame", []string{"publish", "a/*", "b"}, 1, "topic"},
		{"an invalid pattern", "", []string{"subscribe", "a/**/b"}, 1, "topic"},
		{"no topic", "sesame", []string{"publish"}, 2, "TOPIC is missing"},
		{"an unknown flag", "sesame", []string{"subscribe", "--lost"}, 2, "unknown flag"},
		{"an invalid URL", "sesame", []string{"publish", "a", "b", "--url", "ftp://x"}, 2, "url"},
		{"no server", "sesame", []string{"publish", "a", "b", "--url", "http://127.0.0.1:1"}, 1, "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := program.Run(t, "", c.args, "URL="+s.URL(""), "TOKEN="+c.token)
			assert.Equal(t, c.code, got.Code)
			assert.Empty(t, got.Stdout)
			assert.Contains(t, strings.ToLower(got.Stderr), strings.ToLower(c.stderr))
			if c.token != "" {
				assert.NotContains(t, got.Stderr, c.token)
			}
		})
	}
}

func TestSubscribePrintsControlEventsAsJSON(t *testing.T) {
	for _, kind := range []string{sse.TypeReset, sse.TypeGoaway} {
		var out, notes bytes.Buffer
		p := printer{out: &out, notes: &notes, json: true, left: 1, done: func() { t.Error("a control event was counted") }}
		require.NoError(t, p.print(client.Event{ID: "a1-7", Type: kind, Data: `{"reason":"drain"}`}))
		assert.Equal(t, `{"id":"a1-7","topics":[],"type":"`+kind+`","data":"{\"reason\":\"drain\"}"}`+"\n", out.String())
		assert.Empty(t, notes.String())
	}
}
