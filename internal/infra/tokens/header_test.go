package tokens_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
)

// A token may bring a key along, or say where to get one: neither is looked at, or anybody could make tokens.
func TestATokenBringsNoKey(t *testing.T) {
	var asked atomic.Int32
	attacker := newPair(t, "ES256")
	trap := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write(keySet(t, attacker.named("x")))
	}))
	defer trap.Close()

	p := newPair(t, "ES256")
	v := newVerifier(t, p.config())
	claims := map[string]any{"exp": farAway(), "carillon": map[string]any{"publish": []string{"**"}}}
	for name, header := range map[string]map[string]any{
		"jwk": {"jwk": attacker.named("x")},
		"jku": {"jku": trap.URL, "kid": "x"},
		"x5u": {"x5u": trap.URL},
		"x5c": {"x5c": []string{base64.StdEncoding.EncodeToString(attacker.public)}},
		"kid": {"kid": "../../../../dev/null"},
	} {
		_, err := v.Authenticate(t.Context(), attacker.forge(t, claims, header))
		require.ErrorIs(t, err, access.ErrInvalidToken, name)

		_, err = v.Authenticate(t.Context(), p.forge(t, claims, header))
		require.NoError(t, err, "%s: who signed with our key is let in, whatever else the header says", name)
	}
	assert.Zero(t, asked.Load(), "nothing was fetched from where a token says")
}

// RFC 7515, section 4.1.11: whoever does not understand what a token calls critical must refuse it.
func TestCriticalExtensions(t *testing.T) {
	for _, algorithm := range []string{"HS256", "EdDSA"} {
		p := newPair(t, algorithm)
		v := newVerifier(t, p.config())
		for name, header := range map[string]map[string]any{
			"an extension":     {"crit": []string{"b64"}, "b64": false},
			"a registered one": {"crit": []string{"exp"}, "exp": farAway()},
			"an empty list":    {"crit": []string{}},
			"no list":          {"crit": "b64"},
			"null":             {"crit": nil},
		} {
			_, err := v.Authenticate(t.Context(), p.forge(t, map[string]any{"exp": farAway()}, header))
			require.ErrorIs(t, err, access.ErrInvalidToken, "%s: %s", algorithm, name)
		}
	}
}
