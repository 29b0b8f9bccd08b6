package tokens_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
	"carillon/internal/infra/tokens"
)

func encoded(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// What is good but for one thing is refused, with the error that the edge makes its answer of.
func TestRefusals(t *testing.T) {
	p, stranger := newPair(t, "RS256"), newPair(t, "RS256")
	cfg := p.config()
	cfg.JWT.Issuer, cfg.JWT.Audience = "https://issuer", "carillon"
	cfg.JWT.Leeway = time.Minute
	v := newVerifier(t, cfg)

	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	claims := func(change map[string]any) map[string]any {
		all := map[string]any{"exp": in(time.Hour), "iss": "https://issuer", "aud": "carillon", "carillon": map[string]any{"subscribe": []string{"**"}}}
		for name, value := range change {
			if all[name] = value; value == nil {
				delete(all, name)
			}
		}
		return all
	}
	signed := func(change map[string]any) string { return p.forge(t, claims(change), nil) }
	with := func(method jwt.SigningMethod, key any) string {
		token, err := jwt.NewWithClaims(method, jwt.MapClaims(claims(nil))).SignedString(key)
		require.NoError(t, err)
		return token
	}
	good := signed(nil)
	parts := strings.Split(good, ".")
	body, signature := parts[1], parts[2]
	spareBits := good[:len(good)-1] + string(good[len(good)-1]+1) // the last letter stands for 2 bits: this one for the same 2

	for name, token := range map[string]string{"a good one": good, "one audience of several": signed(map[string]any{"aud": []string{"x", "carillon"}})} {
		_, err := v.Authenticate(t.Context(), token)
		require.NoError(t, err, name)
	}
	for _, c := range []struct {
		name, token string
		want        error
		says        string
	}{
		{"nothing", "", access.ErrInvalidToken, ""},
		{"a word", "sesame", access.ErrInvalidToken, ""},
		{"only dots", "..", access.ErrInvalidToken, "not a JWT"},
		{"bytes", "\x00\xff.\x80.\n", access.ErrInvalidToken, "not a JWT"},
		{"two parts", parts[0] + "." + body, access.ErrInvalidToken, ""},
		{"four parts", good + "." + signature, access.ErrInvalidToken, ""},
		{"space around it", " " + good, access.ErrInvalidToken, "not a JWT"},
		{"the scheme before it", "Bearer " + good, access.ErrInvalidToken, "not a JWT"},
		{"bits that nobody reads", spareBits, access.ErrInvalidToken, "not a JWT"},
		{"padding", good + "==", access.ErrInvalidToken, "not a JWT"},
		{"a header that is no JSON", encoded("{") + "." + body + "." + signature, access.ErrInvalidToken, "not a JWT"},
		{"a header that is null", encoded("null") + "." + body + "." + signature, access.ErrInvalidToken, "signed with an unknown key"},
		{"claims that are null", parts[0] + "." + encoded("null") + "." + signature, access.ErrInvalidToken, "signature"},
		{"claims that are a list", parts[0] + "." + encoded("[]") + "." + signature, access.ErrInvalidToken, "not a JWT"},
		{"no algorithm", encoded(`{}`) + "." + body + "." + signature, access.ErrInvalidToken, "signed with an unknown key"},
		{"an algorithm that is a number", encoded(`{"alg":1}`) + "." + body + "." + signature, access.ErrInvalidToken, "signed with an unknown key"},
		{"an unknown algorithm", encoded(`{"alg":"XX1"}`) + "." + body + "." + signature, access.ErrInvalidToken, "signed with an unknown key"},

		{"none", with(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), access.ErrInvalidToken, "signature"},
		{"None", encoded(`{"alg":"None"}`) + "." + body + ".", access.ErrInvalidToken, "signed with an unknown key"},
		{"none with the signature", encoded(`{"alg":"none"}`) + "." + body + "." + signature, access.ErrInvalidToken, "signature"},
		{"the public key as a shared secret", with(jwt.SigningMethodHS256, p.public), access.ErrInvalidToken, "signature"},
		{"and without its last newline", with(jwt.SigningMethodHS256, []byte(strings.TrimSpace(string(p.public)))), access.ErrInvalidToken, "signature"},
		{"a longer hash of the same kind", with(jwt.SigningMethodRS512, p.signer), access.ErrInvalidToken, "signature"},
		{"another padding of the same kind", with(jwt.SigningMethodPS256, p.signer), access.ErrInvalidToken, "signature"},

		{"another's key", stranger.forge(t, claims(nil), nil), access.ErrInvalidToken, "signature"},
		{"another's key, expired", stranger.forge(t, claims(map[string]any{"exp": 1}), nil), access.ErrInvalidToken, "signature"},
		{"no signature", parts[0] + "." + body + ".", access.ErrInvalidToken, "signature"},
		{"another token's signature", parts[0] + "." + body + "." + strings.Split(signed(map[string]any{"sub": "a"}), ".")[2], access.ErrInvalidToken, "signature"},
		{"other claims", parts[0] + "." + strings.Split(signed(map[string]any{"sub": "a"}), ".")[1] + "." + signature, access.ErrInvalidToken, "signature"},

		{"no exp", signed(map[string]any{"exp": nil}), access.ErrInvalidToken, "a required claim is missing"},
		{"an exp that is text", signed(map[string]any{"exp": "tomorrow"}), access.ErrInvalidToken, "not a JWT"},
		{"an exp that is a number in quotes", signed(map[string]any{"exp": fmt.Sprint(in(time.Hour))}), access.ErrInvalidToken, "not a JWT"},
		{"an nbf that is a number in quotes", signed(map[string]any{"nbf": "1"}), access.ErrInvalidToken, "not a JWT"},
		{"an iat that is a number in quotes", signed(map[string]any{"iat": "1"}), access.ErrInvalidToken, "not a JWT"},
		{"expired", signed(map[string]any{"exp": in(-2 * time.Minute)}), access.ErrExpiredToken, ""},
		{"expired long ago", signed(map[string]any{"exp": 0}), access.ErrExpiredToken, ""},
		{"expired before the epoch", signed(map[string]any{"exp": -1e18}), access.ErrExpiredToken, ""},
		{"not valid yet", signed(map[string]any{"nbf": in(2 * time.Minute)}), access.ErrInvalidToken, "not valid yet"},
		{"issued in the future", signed(map[string]any{"iat": in(2 * time.Minute)}), access.ErrInvalidToken, "issued in the future"},
		{"another audience", signed(map[string]any{"aud": "carillon2"}), access.ErrInvalidToken, "issued for another audience"},
		{"no audience of several", signed(map[string]any{"aud": []string{"x", "y"}}), access.ErrInvalidToken, "issued for another audience"},
		{"no audience", signed(map[string]any{"aud": nil}), access.ErrInvalidToken, "a required claim is missing"},
		{"another issuer", signed(map[string]any{"iss": "https://issuer/"}), access.ErrInvalidToken, "issued by another issuer"},
		{"no issuer", signed(map[string]any{"iss": nil}), access.ErrInvalidToken, "a required claim is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rights, err := v.Authenticate(t.Context(), c.token)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.says)
			assert.Zero(t, rights, "who is refused gets nothing")
		})
	}
}

func TestIssuerAndAudienceAreOnlyAskedForWhenConfigured(t *testing.T) {
	p := newPair(t, "HS256")
	_, err := newVerifier(t, p.config()).Authenticate(t.Context(), p.sign(t, func(r *tokens.SignRequest) {
		r.Issuer, r.Audience = "anybody", "anyone"
	}))
	require.NoError(t, err)
}

// Without a key for them, JWTs are not even parsed.
func TestNoKeyNoJWT(t *testing.T) {
	p := newPair(t, "HS256")
	for _, cfg := range []tokens.Config{{}, {PublishToken: "sesame"}, {JWT: tokens.JWT{Algorithm: "HS256", Leeway: time.Second}}} {
		_, err := newVerifier(t, cfg).Authenticate(t.Context(), p.sign(t))
		require.Equal(t, access.ErrInvalidToken, err)
	}
}

// A token of 8 KiB may be good; one byte more and it is refused without a look, however good it is.
func TestLongTokens(t *testing.T) {
	const most = 8 << 10
	p := newPair(t, "HS256")
	v := newVerifier(t, p.config())
	base := len(p.forge(t, map[string]any{"exp": farAway(), "x": ""}, nil))
	of := func(length int) (token string) { // three bytes of a claim are four of a token
		for n := (length - base) * 3 / 4; len(token) < length; n++ {
			token = p.forge(t, map[string]any{"exp": farAway(), "x": strings.Repeat("x", n)}, nil)
		}
		return token
	}
	longest := of(most)
	require.Len(t, longest, most)
	_, err := v.Authenticate(t.Context(), longest)
	require.NoError(t, err)

	tooLong := of(most + 1)
	_, err = v.Authenticate(t.Context(), tooLong)
	require.ErrorIs(t, err, access.ErrInvalidToken)
	require.ErrorContains(t, err, "more than 8192 bytes")

	for _, s := range []string{strings.Repeat(".", 1<<20), strings.Repeat("a", 1<<20), tooLong + strings.Repeat("A", 1<<20)} {
		allocated := testing.AllocsPerRun(10, func() { _, err = v.Authenticate(t.Context(), s) })
		require.ErrorIs(t, err, access.ErrInvalidToken)
		assert.Less(t, allocated, 6.0, "only the error is made")
	}
}
