package tokens_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/infra/tokens"
)

// Whatever way a key comes, what it signed is let in and what another of its kind signed is not.
func TestKeysOfEveryKind(t *testing.T) {
	for _, algorithm := range algorithms {
		current, previous, stranger := newPair(t, algorithm), newPair(t, algorithm), newPair(t, algorithm)
		for name, c := range map[string]struct {
			jwt      tokens.JWT
			previous bool
		}{
			"public key":         {jwt: tokens.JWT{Key: access.Secret(current.public)}},
			"private key":        {jwt: tokens.JWT{Key: access.Secret(current.private)}},
			"key with a newline": {jwt: tokens.JWT{Key: access.Secret(current.public) + "\r\n"}},
			"key file":           {jwt: tokens.JWT{KeyFile: file(t, current.public)}},
			"private key file":   {jwt: tokens.JWT{KeyFile: file(t, current.private)}},
			"previous key": {
				tokens.JWT{Key: access.Secret(current.public), PreviousKey: access.Secret(previous.public)}, true,
			},
			"previous key file": {
				tokens.JWT{KeyFile: file(t, current.private), PreviousKeyFile: file(t, previous.public)}, true,
			},
		} {
			t.Run(algorithm+" by "+name, func(t *testing.T) {
				c.jwt.Algorithm = algorithm
				v := newVerifier(t, tokens.Config{JWT: c.jwt})

				rights, err := v.Authenticate(t.Context(), current.sign(t))
				require.NoError(t, err)
				assert.True(t, rights.Subscribe.Allows(event.MustTopic("any")))

				_, err = v.Authenticate(t.Context(), previous.sign(t))
				if c.previous {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, access.ErrInvalidToken)
				}
				_, err = v.Authenticate(t.Context(), stranger.sign(t))
				require.ErrorIs(t, err, access.ErrInvalidToken)

				_, made := v.Generated()
				assert.False(t, made, "a key is configured, so no token is made up")
			})
		}
	}
}

// A key of one kind checks no token of another, whatever the token says.
func TestTheKeyPinsTheAlgorithm(t *testing.T) {
	signed := map[string]string{}
	for _, algorithm := range algorithms {
		signed[algorithm] = newPair(t, algorithm).sign(t)
	}
	for _, configured := range algorithms {
		v := newVerifier(t, newPair(t, configured).config())
		for algorithm, token := range signed {
			_, err := v.Authenticate(t.Context(), token)
			require.ErrorIs(t, err, access.ErrInvalidToken, "%s where %s is configured", algorithm, configured)
		}
	}
}

func file(t testing.TB, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(name, content, 0o600))
	return name
}
