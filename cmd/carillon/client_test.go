package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// said is what a command that ended said, and how it ended.
type said struct {
	out, notes string
	code       int
}

// tool runs a command against a server, with the token "sesame".
func (p *program) tool(t *testing.T, input string, args ...string) said {
	t.Helper()
	cmd := command(t, []string{"CARILLON_URL=http://" + p.addr, "CARILLON_TOKEN=sesame"}, args...)
	return hear(cmd, input)
}

func hear(cmd *exec.Cmd, input string) said {
	var out, notes bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &notes
	_ = cmd.Run() // the exit code says it
	return said{out.String(), notes.String(), cmd.ProcessState.ExitCode()}
}

func TestPublishAndSubscribe(t *testing.T) {
	p := launch(t, "CARILLON_AUTH_PUBLISH_TOKEN=sesame")
	var ids []string
	publish := func(input string, args ...string) {
		t.Helper()
		got := p.tool(t, input, append([]string{"publish"}, args...)...)
		require.Zero(t, got.code, got.notes)
		require.Regexp(t, `\A[a-z0-9]+-\d+\n\z`, got.out)
		ids = append(ids, strings.TrimSpace(got.out))
	}
	publish("", "greetings/1", "hello, world")
	publish("from standard\ninput", "greetings/2")
	publish("a dash\n", "greetings/3", "-", "--type", "note", "--topic", "also", "--key", "k1")
	publish("", "greetings/4", "\x1b[31mred \u00e9\x07")
	again := p.tool(t, "", "publish", "greetings/3", "another", "--key", "k1")
	assert.Equal(t, ids[2]+"\n", again.out, "a key publishes once")

	t.Run("as text", func(t *testing.T) {
		got := p.tool(t, "", "subscribe", "greetings/*", "--last", "10", "--count", "4")
		assert.Zero(t, got.code, got.notes)
		assert.Equal(t, ids[0]+"\tmessage\thello, world\n"+
			ids[1]+"\tmessage\tfrom standard\n\tinput\n"+
			ids[2]+"\tnote\ta dash\n\t\n"+
			ids[3]+"\tmessage\t\ufffd[31mred \u00e9\ufffd\n", got.out, "and nothing commands the terminal")
		assert.Empty(t, got.notes)
	})
	t.Run("as JSON, resumed", func(t *testing.T) {
		got := p.tool(t, "", "subscribe", "also", "--json", "--last-event-id", ids[0], "--count", "1")
		assert.Zero(t, got.code, got.notes)
		var event map[string]string
		require.NoError(t, json.Unmarshal([]byte(got.out), &event))
		assert.Equal(t, map[string]string{"id": ids[2], "type": "note", "data": "a dash\n"}, event)
	})
	t.Run("what cannot be resumed is said", func(t *testing.T) {
		got := p.tool(t, "", "subscribe", "greetings/**", "--last-event-id", "another-7", "--count", "1")
		assert.Zero(t, got.code)
		assert.Equal(t, ids[0]+"\tmessage\thello, world\n", got.out)
		assert.Contains(t, got.notes, `carillon: reset {"reason":"epoch"`)
	})
	t.Run("the clock", func(t *testing.T) {
		got := p.tool(t, "", "subscribe", "--count", "2")
		assert.Zero(t, got.code, got.notes)
		assert.Regexp(t, `\A([a-z0-9]+-\d+\tmessage\t\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n){2}\z`, got.out)
	})
}

func TestClientCommandsSayWhatIsWrong(t *testing.T) {
	p := launch(t, "CARILLON_AUTH_PUBLISH_TOKEN=sesame")
	for _, c := range []struct {
		name  string
		token string
		args  []string
		code  int
		notes string
	}{
		{"no token", "", []string{"publish", "a", "b"}, 1, "give one with CARILLON_TOKEN"},
		{"a wrong token", "simsim", []string{"publish", "a", "b"}, 1, "401"},
		{"a topic that is none", "sesame", []string{"publish", "a/*", "b"}, 1, "topic"},
		{"a pattern that is none", "", []string{"subscribe", "a/**/b"}, 1, "topic"},
		{"no topic", "sesame", []string{"publish"}, 2, "accepts between 1 and 2 arg"},
		{"a flag that is none", "sesame", []string{"subscribe", "--lost"}, 2, "unknown flag"},
		{"a URL that is none", "sesame", []string{"publish", "a", "b", "--url", "ftp://x"}, 2, "url"},
		{"nobody there", "sesame", []string{"publish", "a", "b", "--url", "http://127.0.0.1:1"}, 1, "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := hear(command(t, []string{"CARILLON_URL=http://" + p.addr, "CARILLON_TOKEN=" + c.token}, c.args...), "")
			assert.Equal(t, c.code, got.code)
			assert.Empty(t, got.out)
			assert.Contains(t, strings.ToLower(got.notes), strings.ToLower(c.notes))
			if c.token != "" {
				assert.NotContains(t, got.notes, c.token)
			}
		})
	}
}
