package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
	"carillon/internal/infra/tokens"
)

// as is a token that names its key.
func (p pair) as(t testing.TB, kid any) string {
	t.Helper()
	return p.forge(t, map[string]any{"exp": time.Now().Add(24 * time.Hour).Unix()}, map[string]any{"kid": kid})
}

func check(t *testing.T, v *tokens.Verifier, token string) error {
	t.Helper()
	_, err := v.Authenticate(t.Context(), token)
	return err
}

// Keys of each kind, over a real socket.
func TestKeysAtAURL(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			first, second, stranger := newPair(t, algorithm), newPair(t, algorithm), newPair(t, algorithm)
			server := httptest.NewServer(keys(t, first.named("1"), second.named("2")))
			defer server.Close()
			v := newVerifier(t, tokens.Config{JWT: tokens.JWT{Algorithm: algorithm, JWKSURL: server.URL, JWKSRefresh: time.Minute}})
			require.Equal(t, access.ErrUnavailable, check(t, v, first.as(t, "1")), "the keys are not here yet, which is not the token's fault")

			ended := make(chan error, 1)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go func() { ended <- v.Run(ctx) }()
			require.Eventually(t, func() bool { return check(t, v, first.as(t, "1")) == nil }, 10*time.Second, time.Millisecond)

			require.NoError(t, check(t, v, second.as(t, "2")))
			require.NoError(t, check(t, v, second.sign(t)), "which names no key: any of them")
			for name, token := range map[string]string{
				"another's key":            second.as(t, "1"),
				"an unknown key":           first.as(t, "3"),
				"a key without a name":     first.as(t, ""),
				"a name that is a number":  first.as(t, 1),
				"a name that is null":      first.as(t, nil),
				"a stranger's, named":      stranger.as(t, "1"),
				"a stranger's, not named":  stranger.sign(t),
				"a secret of a public key": shared(first.public).as(t, "1"),
			} {
				require.ErrorIs(t, check(t, v, token), access.ErrInvalidToken, name)
			}
			stop()
			require.NoError(t, <-ended)
			require.NoError(t, check(t, v, first.as(t, "1")), "the keys are still here")
		})
	}
}

func TestANewKeyIsFetchedWhenATokenNamesIt(t *testing.T) {
	before, after := newPair(t, "ES256"), newPair(t, "ES256")
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(t, keys(t, before.named("1")))
		v := server.run(t, server.config("ES256"))
		require.NoError(t, check(t, v, before.as(t, "1")))
		require.Equal(t, []time.Duration{0}, server.askedAt())

		server.now(keys(t, after.named("2"))) // the old one is gone
		require.NoError(t, check(t, v, before.as(t, "1")))
		require.NoError(t, check(t, v, after.as(t, "2")), "the first request waits until it is fetched")
		require.Equal(t, []time.Duration{0}, server.askedAt(), "once")
		unavailable, ok := errors.AsType[*access.UnavailableError](check(t, v, before.as(t, "1")))
		require.True(t, ok, "a fetch is not allowed yet")
		require.Equal(t, 10*time.Second, unavailable.Wait)
		time.Sleep(unavailable.Wait)
		require.ErrorIs(t, check(t, v, before.as(t, "1")), access.ErrInvalidToken)
		require.Empty(t, server.complaints())
	})
}

func TestKeysAreRefreshed(t *testing.T) {
	p := newPair(t, "ES256")
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(t, keys(t, p.named("1")))
		v := server.run(t, server.config("ES256"))
		server.now(keys(t, newPair(t, "ES256").named("2")))
		time.Sleep(15*time.Minute - time.Nanosecond)
		require.NoError(t, check(t, v, p.as(t, "1")))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.ErrorIs(t, check(t, v, p.as(t, "1")), access.ErrInvalidToken, "a key that was taken away")
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		require.Equal(t, []time.Duration{0, 15 * time.Minute, 15 * time.Minute, 30 * time.Minute}, server.askedAt(),
			"and once for the token whose key is no longer there")
	})
}

// Anybody can send tokens that name keys nobody has. The server of the keys must not feel it.
func TestAFloodOfUnknownKeys(t *testing.T) {
	p := newPair(t, "EdDSA")
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(t, keys(t, p.named("1")))
		v := server.run(t, server.config("EdDSA"))
		for second := range 60 {
			for n := range 5 {
				want := access.ErrUnavailable
				if second%10 == 0 && n == 0 {
					want = access.ErrInvalidToken // the keys were fetched for this one, so it is known to have none
				}
				require.ErrorIs(t, check(t, v, p.as(t, fmt.Sprint(second, "/", n))), want)
			}
			synctest.Wait()
			time.Sleep(time.Second)
		}
		require.NoError(t, check(t, v, p.as(t, "1")))
		asked := server.askedAt()
		require.Len(t, asked, 1+6, "the first, and one each 10 s")
		for i := range asked[2:] {
			assert.GreaterOrEqual(t, asked[i+2]-asked[i+1], 10*time.Second)
		}
	})
}

// What serves for the configured algorithm is used; what does not spoils nothing (RFC 7517, section 5).
func TestASetOfManyKinds(t *testing.T) {
	p, other, weak := newPair(t, "ES256"), newPair(t, "RS256"), weakEC(t)
	secret := newPair(t, "HS256")
	unusable := []any{
		map[string]any{"kty": "EC", "crv": "secp256k1", "kid": "k1", "x": "AA", "y": "AA"},
		map[string]any{"kty": "from the future", "kid": "p"},
		map[string]any{"kty": "EC", "crv": "P-256", "kid": "nowhere", "x": "AQ", "y": "AQ"},
		map[string]any{"kty": "oct", "kid": "s", "k": encoded(string(secret.private))},
		other.named("1"), weak.named("weak"), "text", 1, nil,
		[]any{},
	}
	encrypting := newPair(t, "ES256")
	enc := encrypting.named("enc")
	enc.USE = "enc"
	private := newPair(t, "ES256").named("private")
	private.D = "AQ" // what must never be in there is not looked at

	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(t, keys(t, append(unusable, p.named("1"), enc, private)...))
		v := server.run(t, server.config("ES256"))
		require.Empty(t, server.complaints())
		require.NoError(t, check(t, v, p.as(t, "1")))
		require.NoError(t, check(t, v, p.sign(t)))
		for name, token := range map[string]string{
			"RSA": other.as(t, "1"), "P-384": weak.as(t, "weak"), "for encryption": encrypting.as(t, "enc"),
			"a secret": secret.as(t, "s"), "for encryption, not named": encrypting.sign(t),
		} {
			time.Sleep(10 * time.Second) // so that a fetch is allowed
			require.ErrorIs(t, check(t, v, token), access.ErrInvalidToken, name)
		}

		// The set was read, and p is not in it: it may have been taken out because it was stolen.
		server.now(keys(t, unusable...))
		time.Sleep(16 * time.Minute)
		synctest.Wait()
		require.ErrorIs(t, check(t, v, p.as(t, "1")), access.ErrInvalidToken)
		require.ErrorIs(t, check(t, v, p.sign(t)), access.ErrInvalidToken)
		require.ErrorContains(t, server.complaints()[0], "no key is usable for ES256")
	})
}
