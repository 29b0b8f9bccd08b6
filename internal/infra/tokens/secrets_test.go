package tokens_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/infra/tokens"
)

func TestPublishToken(t *testing.T) {
	const secret = "open-sesame"
	v := newVerifier(t, tokens.Config{PublishToken: secret})
	rights, err := v.Authenticate(t.Context(), secret)
	require.NoError(t, err)
	assert.True(t, rights.Subscribe.All())
	assert.True(t, rights.Publish.All())
	assert.Zero(t, rights.Expires)
	_, made := v.Generated()
	assert.False(t, made)

	for _, other := range []string{
		"", "o", secret[:len(secret)-1], secret + "e", secret + "\x00", " " + secret, secret + "\n",
		strings.ToUpper(secret), "***", "Bearer " + secret, strings.Repeat(secret, 2),
	} {
		require.ErrorIs(t, check(t, v, other), access.ErrInvalidToken, "%q", other)
	}
}

// The publish token may look like a JWT, and stand beside keys for real ones.
func TestPublishTokenBesideKeys(t *testing.T) {
	p := newPair(t, "HS256")
	cfg := p.config()
	cfg.PublishToken = "a.b.c"
	v := newVerifier(t, cfg)
	require.NoError(t, check(t, v, "a.b.c"))
	require.NoError(t, check(t, v, p.sign(t)))
	require.ErrorIs(t, check(t, v, "a.b.d"), access.ErrInvalidToken)
	require.ErrorIs(t, check(t, v, string(p.private)), access.ErrInvalidToken, "the key is no token")
}

// With no key at all there is a token of our own making, the same until the process ends, and only while it is needed.
func TestGeneratedToken(t *testing.T) {
	v, another := newVerifier(t, tokens.Config{}), newVerifier(t, tokens.Config{})
	token, made := v.Generated()
	require.True(t, made)
	require.GreaterOrEqual(t, len(token), 26, "128 bits")
	other, _ := another.Generated()
	require.NotEqual(t, token, other)
	rights, err := v.Authenticate(t.Context(), token)
	require.NoError(t, err)
	assert.True(t, rights.Publish.Allows(event.MustTopic("any")))
	require.ErrorIs(t, check(t, v, ""), access.ErrInvalidToken)
	require.ErrorIs(t, check(t, v, other), access.ErrInvalidToken)

	for _, cfg := range []tokens.Config{{PublishToken: "sesame"}, newPair(t, "ES256").config()} {
		require.NoError(t, v.Reload(cfg))
		shown, made := v.Generated()
		require.False(t, made)
		require.Empty(t, shown)
		require.ErrorIs(t, check(t, v, token), access.ErrInvalidToken, "now that there is a key it opens nothing")
	}
	require.NoError(t, v.Reload(tokens.Config{}))
	again, made := v.Generated()
	require.True(t, made)
	require.Equal(t, token, again)
	require.NoError(t, check(t, v, token))
}

// The logging library shows a secret by its String and MarshalText methods only.
func TestSecretIsNotLogged(t *testing.T) {
	const canary = "canary-e7b1"
	secret := access.Secret(canary)
	values := struct {
		One  access.Secret
		List []access.Secret
	}{secret, []access.Secret{secret}}
	core, logged := observer.New(zap.InfoLevel)
	zap.New(core).Info("", zap.Any("a", secret), zap.Stringer("b", secret), zap.Reflect("c", values))
	entry, err := json.Marshal(logged.All()[0].ContextMap())
	require.NoError(t, err)
	assert.NotContains(t, string(entry), canary)
	assert.NotContains(t, string(entry), fmt.Sprintf("%x", canary))
}
