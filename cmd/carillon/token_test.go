package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
)

const signingSecret = "a-secret-of-at-least-32-bytes-for-HS256"

func TestTokenGrantsRights(t *testing.T) {
	settings := []string{"AUTH_JWT_KEY=" + signingSecret, "AUTH_JWT_ISSUER=tests", "AUTH_ANONYMOUS_SUBSCRIBE="}
	s := program.Start(t, settings...)
	publish := func(topic, token string) int {
		return servertest.Publish(t, s.URL("/events?topic="+topic), token, "hello").StatusCode
	}
	assert.Equal(t, http.StatusUnauthorized, servertest.Get(t, s.URL("/events")).StatusCode)
	assert.Equal(t, http.StatusUnauthorized, publish("orders/1", ""))

	for _, setting := range settings {
		setenv(t, []string{"CARILLON_" + setting})
	}
	code, token, stderr := carillon("token", "--publish", "orders/*", "--ttl", "1m")
	require.Equal(t, 0, code, stderr)
	token = strings.TrimSuffix(token, "\n")
	assert.Equal(t, http.StatusCreated, publish("orders/1", token))
	assert.Equal(t, http.StatusForbidden, publish("news", token))
}

func TestTokenKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(signingSecret+"\n"), 0o600))
	for name, c := range map[string]struct {
		environ, args []string
		problem       string // "": a token is printed
	}{
		"in the configuration":        {environ: []string{"CARILLON_AUTH_JWT_KEY=" + signingSecret}},
		"in a file of the same":       {environ: []string{"CARILLON_AUTH_JWT_KEY_FILE=" + file}},
		"in a file":                   {args: []string{"--key-file", file}},
		"nowhere":                     {problem: "no signing key: use --key-file, or set auth.jwt.key or auth.jwt.key_file"},
		"in a file that is not there": {args: []string{"--key-file", "/nowhere"}, problem: "reading the key: open /nowhere: no such file or directory"},
		"of another algorithm":        {args: []string{"--key-file", file, "--algorithm", "EdDSA"}, problem: "key: must be an EdDSA key in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			setenv(t, c.environ)
			code, token, stderr := carillon(append([]string{"token", "--subscribe", "**"}, c.args...)...)
			assert.NotContains(t, stderr, signingSecret)
			if c.problem != "" {
				assert.Equal(t, exitFailure, code)
				assert.Equal(t, "carillon: "+c.problem+"\n", stderr)
				return
			}
			assert.Equal(t, 0, code, stderr)
			assert.Equal(t, 2, strings.Count(token, "."), token)
		})
	}
}
