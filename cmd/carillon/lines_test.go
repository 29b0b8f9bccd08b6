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
		"a line that is too large": {"good\n" + strings.Repeat("x", 1001) + "\n", []string{"t", "--lines"}, "line 2: 413 too_large"},
		"a line that is no JSON":   {`{"topic":"a"}` + "\n[]\n", []string{"--ndjson"}, "line 2: is not a JSON object with topic, data, type, retry and key; events published: 1"},
		"an unknown field":         {`{"topic":"a","colour":1}`, []string{"--ndjson"}, "line 1: 400 invalid_frame"},
		"no token":                 {"x", []string{"t", "--lines", "--token", "wrong"}, "401 token_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			got := command(c.input, append([]string{"publish"}, c.args...)...)
			assert.Equal(t, 1, got.Code)
			assert.Contains(t, got.Stderr, c.want)
		})
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--lines"}, "carillon: TOPIC is missing\n"},
		{[]string{"t", "--ndjson"}, `unexpected argument "t": with --ndjson each line names its own topic`},
		{[]string{"t", "data", "--lines"}, `unexpected argument "data": with --lines the data comes from standard input`},
		{[]string{"t", "hello", "world"}, `unexpected argument "world": data with spaces needs quotes`},
		{[]string{"--lines", "--ndjson"}, "exclude each other"},
		{[]string{"t", "--lines", "--key", "k"}, "--key and --lines exclude each other"},
		{[]string{"--ndjson", "--type", "t"}, "--type and --ndjson exclude each other"},
		{[]string{"t", "--ids"}, "--ids needs --lines or --ndjson"},
	} {
		got := command("", append([]string{"publish"}, c.args...)...)
		assert.Equal(t, 2, got.Code, c.args)
		assert.Contains(t, got.Stderr, c.want)
	}
	assert.Equal(t, 2, command("", "subscribe", "--transport", "carrier-pigeon").Code)
}
