package tokens_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
	"carillon/internal/infra/tokens"
)

// credential returns what the rights of a token rest on.
func credential(t *testing.T, v *tokens.Verifier, token string) *access.Credential {
	t.Helper()
	rights, err := v.Authenticate(t.Context(), token)
	require.NoError(t, err)
	require.NotNil(t, rights.Credential)
	return rights.Credential
}

func recheck(v *tokens.Verifier, c *access.Credential) error {
	_, err := v.Recheck(c)
	return err
}

// A credential holds as long as its token would be accepted, and grants the same.
func TestRecheckFollowsTheKeys(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			before, after := newPair(t, algorithm), newPair(t, algorithm)
			v := newVerifier(t, before.config())
			first := credential(t, v, before.sign(t))
			require.NoError(t, recheck(v, first))

			both := after.config()
			both.JWT.PreviousKey = access.Secret(before.public)
			require.NoError(t, v.Reload(both))
			require.NoError(t, recheck(v, first), "its key is the previous one")
			second := credential(t, v, after.sign(t))
			require.NoError(t, recheck(v, credential(t, v, before.sign(t))), "the key that was used is found among several")

			require.NoError(t, v.Reload(after.config()))
			require.ErrorIs(t, recheck(v, first), access.ErrInvalidToken)
			require.NoError(t, recheck(v, second))

			none := tokens.Config{PublishToken: "sesame"}
			require.NoError(t, v.Reload(none))
			require.ErrorIs(t, recheck(v, second), access.ErrInvalidToken)
		})
	}
}

func TestRecheckFollowsTheTerms(t *testing.T) {
	p := newPair(t, "EdDSA")
	for name, change := range map[string]func(*tokens.Config){
		"issuer":   func(c *tokens.Config) { c.JWT.Issuer = "them" },
		"audience": func(c *tokens.Config) { c.JWT.Audience = "there" },
	} {
		v := newVerifier(t, p.config())
		c := credential(t, v, p.sign(t))
		other := p.config()
		other.JWT.Leeway = 0
		require.NoError(t, v.Reload(other))
		require.NoError(t, recheck(v, c), "other settings change nothing")
		change(&other)
		require.NoError(t, v.Reload(other))
		require.ErrorIs(t, recheck(v, c), access.ErrInvalidToken, name)
	}
}

func TestRecheckFollowsThePublishToken(t *testing.T) {
	v := newVerifier(t, tokens.Config{PublishToken: "first"})
	c := credential(t, v, "first")
	assert.NotContains(t, c.Proof, "first")
	require.NoError(t, recheck(v, c))
	require.NoError(t, v.Reload(tokens.Config{PublishToken: "second"}))
	require.ErrorIs(t, recheck(v, c), access.ErrInvalidToken)
	require.NoError(t, recheck(v, credential(t, v, "second")))
}

func TestRecheckFollowsTheAnonymousPatterns(t *testing.T) {
	p := newPair(t, "HS256")
	cfg := p.config()
	cfg.Anonymous.Subscribe = []string{"clock", "chat"}
	v := newVerifier(t, cfg)
	c := credential(t, v, p.sign(t, func(r *tokens.SignRequest) { r.Subscribe = []string{"orders/*"} }))
	for _, anonymous := range [][]string{{"clock", "chat"}, {"clock"}, {}} {
		cfg.Anonymous.Subscribe = anonymous
		require.NoError(t, v.Reload(cfg))
		grant, err := v.Recheck(nil)
		require.NoError(t, err)
		assert.ElementsMatch(t, anonymous, allows(grant, "clock", "chat", "orders/1"))
		grant, err = v.Recheck(c)
		require.NoError(t, err)
		assert.ElementsMatch(t, append([]string{"orders/1"}, anonymous...), allows(grant, "clock", "chat", "orders/1"))
	}
}

// Keys at a URL may change at any time. Each fetch that takes one away is a change.
func TestRecheckFollowsTheKeysAtAURL(t *testing.T) {
	one, two := newPair(t, "EdDSA"), newPair(t, "EdDSA")
	synctest.Test(t, func(t *testing.T) {
		changed := func(v *tokens.Verifier) bool {
			synctest.Wait()
			select {
			case <-v.Changed():
				return true
			default:
				return false
			}
		}
		server := newKeyServer(t, keys(t, one.named("1"), two.named("2")))
		cfg := server.config("EdDSA")
		v := server.run(t, cfg)
		require.True(t, changed(v), "the first keys")
		first, second := credential(t, v, one.as(t, "1")), credential(t, v, two.as(t, "2"))

		time.Sleep(cfg.JWT.JWKSRefresh)
		assert.False(t, changed(v), "the same keys")
		require.NoError(t, v.Reload(cfg))
		assert.True(t, changed(v))
		require.NoError(t, recheck(v, first))

		server.now(keys(t, two.named("2")))
		time.Sleep(cfg.JWT.JWKSRefresh)
		assert.True(t, changed(v))
		require.ErrorIs(t, recheck(v, first), access.ErrInvalidToken)
		require.NoError(t, recheck(v, second))

		elsewhere := cfg
		elsewhere.JWT.JWKSURL += "/elsewhere"
		server.now(says(500, ""))
		require.NoError(t, v.Reload(elsewhere))
		require.ErrorIs(t, recheck(v, second), access.ErrUnavailable, "not fetched yet")
	})
}
