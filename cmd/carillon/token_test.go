package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const signingSecret = "a-secret-of-at-least-32-bytes-for-HS256"

func TestTokenOpensTheServer(t *testing.T) {
	environ := []string{"CARILLON_AUTH_JWT_KEY=" + signingSecret, "CARILLON_AUTH_JWT_ISSUER=tests", "CARILLON_AUTH_ANONYMOUS_SUBSCRIBE="}
	p := launch(t, environ...)
	assert.Equal(t, http.StatusUnauthorized, p.get(t, "/events").StatusCode)
	assert.Equal(t, http.StatusUnauthorized, publish(t, p.addr, "orders/1", ""))

	setenv(t, environ)
	code, token, stderr := carillon("token", "--publish", "orders/*", "--ttl", "1m")
	require.Equal(t, 0, code, stderr)
	token = strings.TrimSuffix(token, "\n")
	assert.Equal(t, http.StatusCreated, publish(t, p.addr, "orders/1", token))
	assert.Equal(t, http.StatusForbidden, publish(t, p.addr, "news", token))
	p.signal(t)
	assert.Equal(t, 0, p.wait())
}

func publish(t *testing.T, addr, topic, token string) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/events?topic="+topic, strings.NewReader("hello"))
	require.NoError(t, err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	return answer.StatusCode
}

func TestTokenKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(signingSecret+"\n"), 0o600))
	for name, c := range map[string]struct {
		environ, args []string
		problem       string // none is a token
	}{
		"in the configuration":        {environ: []string{"CARILLON_AUTH_JWT_KEY=" + signingSecret}},
		"in a file of the same":       {environ: []string{"CARILLON_AUTH_JWT_KEY_FILE=" + file}},
		"in a file":                   {args: []string{"--key-file", file}},
		"nowhere":                     {problem: "there is no key to sign with: give one with --key-file, or set auth.jwt.key or auth.jwt.key_file"},
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
