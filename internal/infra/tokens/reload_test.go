package tokens_test

import (
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
	"carillon/internal/infra/tokens"
)

func TestChangingKeys(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			before, after := newPair(t, algorithm), newPair(t, algorithm)
			v := newVerifier(t, before.config())
			require.ErrorIs(t, check(t, v, after.sign(t)), access.ErrInvalidToken)

			both := after.config()
			both.JWT.PreviousKey = access.Secret(before.public)
			require.NoError(t, v.Reload(both))
			require.NoError(t, check(t, v, before.sign(t)), "it is the previous one")
			require.NoError(t, check(t, v, after.sign(t)))

			require.NoError(t, v.Reload(after.config()))
			require.ErrorIs(t, check(t, v, before.sign(t)), access.ErrInvalidToken)
			require.NoError(t, check(t, v, after.sign(t)))
		})
	}
}

// A key file is read again although its name is the same.
func TestAKeyFileThatChanges(t *testing.T) {
	before, after := newPair(t, "EdDSA"), newPair(t, "EdDSA")
	cfg := tokens.Config{JWT: tokens.JWT{Algorithm: "EdDSA", KeyFile: file(t, before.public)}}
	v := newVerifier(t, cfg)
	require.NoError(t, os.WriteFile(cfg.JWT.KeyFile, after.public, 0o600))
	require.NoError(t, check(t, v, before.sign(t)), "until it is told to")
	require.NoError(t, v.Reload(cfg))
	require.ErrorIs(t, check(t, v, before.sign(t)), access.ErrInvalidToken)
	require.NoError(t, check(t, v, after.sign(t)))
}

func TestAReloadThatFailsChangesNothing(t *testing.T) {
	p := newPair(t, "HS256")
	cfg := p.config()
	cfg.PublishToken = "sesame"
	cfg.Anonymous.Subscribe = []string{"clock"}
	v := newVerifier(t, cfg)
	for name, wrong := range map[string]tokens.Config{
		"a key that is none": {JWT: tokens.JWT{Algorithm: "RS256", Key: "x"}},
		"a file that is not": {JWT: tokens.JWT{Algorithm: "RS256", KeyFile: t.TempDir() + "/none"}},
		"a wrong pattern":    {PublishToken: "other", Anonymous: tokens.Anonymous{Subscribe: []string{"a*"}}},
	} {
		require.Error(t, v.Reload(wrong), name)
		require.NoError(t, check(t, v, p.sign(t)))
		require.NoError(t, check(t, v, "sesame"))
		require.ErrorIs(t, check(t, v, "other"), access.ErrInvalidToken)
		require.Equal(t, []string{"clock"}, allows(v.Anonymous().Subscribe, "clock", "chat"))
	}
}

// A reload for another reason must not refuse everybody because the server of the keys is away just then.
func TestAReloadKeepsTheKeysOfTheSameURL(t *testing.T) {
	p := newPair(t, "EdDSA")
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(t, keys(t, p.named("1")))
		cfg := server.config("EdDSA")
		v := server.run(t, cfg)
		server.now(http.NotFound)
		for range 3 {
			require.NoError(t, v.Reload(cfg))
			require.NoError(t, check(t, v, p.as(t, "1")))
			synctest.Wait()
			require.NoError(t, check(t, v, p.as(t, "1")))
		}
		require.Len(t, server.askedAt(), 1+3, "each reload asks")

		other := cfg
		other.JWT.Algorithm = "ES256"
		require.NoError(t, v.Reload(other))
		require.Equal(t, access.ErrUnavailable, check(t, v, newPair(t, "ES256").as(t, "1")), "keys of another kind were never kept")

		elsewhere := cfg
		elsewhere.JWT.JWKSURL += "2"
		require.NoError(t, v.Reload(elsewhere))
		require.Equal(t, access.ErrUnavailable, check(t, v, p.as(t, "1")), "whoever serves another URL has not said that this key is good")
		synctest.Wait()
		server.askedAt()

		require.NoError(t, v.Reload(p.config()))
		require.NoError(t, check(t, v, p.as(t, "1")))
		time.Sleep(time.Hour)
		require.Empty(t, server.askedAt(), "keys that are configured are not asked for")

		server.now(keys(t, p.named("1")))
		require.NoError(t, v.Reload(cfg))
		synctest.Wait()
		require.NoError(t, check(t, v, p.as(t, "1")), "and back")
	})
}

// Each token is checked with the one set of keys or with the other, never with half of each.
func TestReloadWhileTokensAreChecked(t *testing.T) {
	one, two := newPair(t, "EdDSA"), newPair(t, "HS256")
	steady := access.Secret("sesame")
	configs := [2]tokens.Config{one.config(), two.config()}
	configs[0].PublishToken, configs[1].PublishToken = steady, steady
	signed := [2]string{one.sign(t), two.sign(t)}
	v := newVerifier(t, configs[0])

	var checking sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		checking.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				_, err := v.Authenticate(t.Context(), steady.Reveal())
				assert.NoError(t, err)
				if _, err = v.Authenticate(t.Context(), signed[n%2]); err != nil {
					assert.ErrorIs(t, err, access.ErrInvalidToken)
				}
			}
		})
	}
	for n := range 200 {
		assert.NoError(t, v.Reload(configs[n%2]))
	}
	close(done)
	checking.Wait()
}
