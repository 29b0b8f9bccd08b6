package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
)

func TestPublishManyLines(t *testing.T) {
	const many = 5000
	s := program.Start(t, "AUTH_PUBLISH_TOKEN=sesame", "LIMITS_EVENT_BYTES=1000")
	command := func(input string, args ...string) servertest.Result {
		return program.Run(t, input, args, "URL="+s.URL(""), "TOKEN=sesame")
	}
	texts := func(topic string, n int) []string {
		got := command("", "subscribe", topic, "--last", fmt.Sprint(n), "--count", fmt.Sprint(n), "--json")
		require.Zero(t, got.Code, got.Stderr)
		var all []string
		for line := range strings.Lines(got.Stdout) {
			var e struct{ Type, Data string }
			require.NoError(t, json.Unmarshal([]byte(line), &e))
			all = append(all, e.Type+" "+e.Data)
		}
		return all
	}
	t.Run("lines", func(t *testing.T) {
		var input strings.Builder
		for i := range many {
			fmt.Fprintf(&input, "line %d\n", i)
		}
		got := command(input.String(), "publish", "lines", "--lines", "--type", "t", "--ids")
		require.Zero(t, got.Code, got.Stderr)
		assert.Empty(t, got.Stderr, "progress is for terminals")
		assert.Equal(t, many, strings.Count(got.Stdout, "\n"))
		for i, text := range texts("lines", many) {
			require.Equal(t, fmt.Sprintf("t line %d", i), text)
		}
	})
	t.Run("JSON", func(t *testing.T) {
		got := command(`{"topic":"json","data":{"x": 1},"type":"a"}`+"\n\n  "+`{"data":"y","topic":["json","more"],"key":"k"}`, "publish", "--ndjson")
		require.Zero(t, got.Code, got.Stderr)
		assert.Regexp(t, `\A[a-z0-9]+-\d+\n\z`, got.Stdout, "the last id")
		assert.Equal(t, []string{`a {"x":1}`, "message y"}, texts("json", 2))
	})
	t.Run("nothing", func(t *testing.T) {
		got := command("", "publish", "lines", "--lines")
		assert.Zero(t, got.Code, got.Stderr)
		assert.Empty(t, got.Stdout)
	})
	for name, c := range map[string]struct {
		input string
		args  []string
		want  string
	}{
		"a line that is too large": {"good\n" + strings.Repeat("x", 1001) + "\n", []string{"t", "--lines"}, "1 events were published: line 2: 413 too_large"},
		"a line that is no JSON":   {`{"topic":"a"}` + "\n[]\n", []string{"--ndjson"}, "1 events were published: line 2: is not a JSON object"},
		"an unknown field":         {`{"topic":"a","colour":1}`, []string{"--ndjson"}, "0 events were published: line 1: 400 invalid_frame"},
		"no token":                 {"x", []string{"t", "--lines", "--token", "wrong"}, "401 token_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			got := command(c.input, append([]string{"publish"}, c.args...)...)
			assert.Equal(t, 1, got.Code)
			assert.Contains(t, got.Stderr, c.want)
		})
	}
	for _, args := range [][]string{
		{"--lines"},
		{"t", "--ndjson"},
		{"t", "data", "--lines"},
		{"t", "--lines", "--ndjson"},
		{"t", "--lines", "--key", "k"},
		{"--ndjson", "--type", "t"},
		{"t", "--ids"},
	} {
		assert.Equal(t, 2, command("", append([]string{"publish"}, args...)...).Code, args)
	}
	assert.Equal(t, 2, command("", "subscribe", "--transport", "carrier-pigeon").Code)
}
