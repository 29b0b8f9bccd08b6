package tokens_test

import (
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
	"carillon/internal/infra/tokens"
)

// What a token says is fixed: other programs read and make such tokens.
func TestSignedClaims(t *testing.T) {
	p := newPair(t, "HS256")
	now := time.Unix(1_800_000_000, 0)
	token, err := tokens.Sign(tokens.Order{
		Algorithm: "HS256", Key: p.private, Subscribe: []string{"orders/**"}, Publish: []string{"a", "b/*"},
		TTL: time.Hour, Subject: "shop", Issuer: "i", Audience: "carillon",
	}, now)
	require.NoError(t, err)
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	assert.JSONEq(t, `{"alg":"HS256","typ":"JWT"}`, decoded(t, parts[0]))
	assert.JSONEq(t, `{"iss":"i","sub":"shop","aud":["carillon"],"iat":1800000000,"exp":1800003600,
		"carillon":{"subscribe":["orders/**"],"publish":["a","b/*"]}}`, decoded(t, parts[1]))

	least, err := tokens.Sign(tokens.Order{Algorithm: "HS256", Key: p.private, Publish: []string{"a"}, TTL: time.Second}, now)
	require.NoError(t, err)
	assert.JSONEq(t, `{"iat":1800000000,"exp":1800000001,"carillon":{"publish":["a"]}}`, decoded(t, strings.Split(least, ".")[1]))
}

func TestOrdersThatAreRefused(t *testing.T) {
	p := newPair(t, "EdDSA")
	for name, c := range map[string]struct {
		change func(*tokens.Order)
		says   string
	}{
		"no algorithm":        {func(o *tokens.Order) { o.Algorithm = "" }, `algorithm: got ""`},
		"none":                {func(o *tokens.Order) { o.Algorithm = "none" }, `algorithm: got "none"`},
		"an unknown one":      {func(o *tokens.Order) { o.Algorithm = "HS512" }, `algorithm: got "HS512"`},
		"no time":             {func(o *tokens.Order) { o.TTL = 0 }, "ttl: got 0s"},
		"the past":            {func(o *tokens.Order) { o.TTL = -time.Hour }, "ttl: got -1h0m0s"},
		"less than a second":  {func(o *tokens.Order) { o.TTL = time.Second - 1 }, "ttl: got 999.999999ms"},
		"no rights":           {func(o *tokens.Order) { o.Subscribe = nil }, "allows nothing"},
		"a wrong pattern":     {func(o *tokens.Order) { o.Subscribe = []string{"a*"} }, "subscribe: topic"},
		"one of several":      {func(o *tokens.Order) { o.Publish = []string{"a", ""} }, "publish: topic"},
		"no key":              {func(o *tokens.Order) { o.Key = nil }, "key: is not a key in PEM"},
		"a public key":        {func(o *tokens.Order) { o.Key = p.public }, "key: is not a key in PEM"},
		"a key of other kind": {func(o *tokens.Order) { o.Algorithm = "ES256" }, "key: is not a key in PEM"},
		"PEM for a secret":    {func(o *tokens.Order) { o.Algorithm = "HS256" }, "key: is a key in PEM"},
		"a short secret":      {func(o *tokens.Order) { o.Algorithm, o.Key = "HS256", []byte("short") }, "key: has 5 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			order := tokens.Order{Algorithm: "EdDSA", Key: p.private, Subscribe: []string{"**"}, TTL: time.Hour}
			c.change(&order)
			token, err := tokens.Sign(order, time.Now())
			require.ErrorContains(t, err, c.says)
			assert.Empty(t, token)
		})
	}
}

// A key that is too weak is refused by its name wherever it is given, be it private or public.
func TestWeakKeys(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for _, c := range []struct {
		algorithm, says string
		pair            pair
	}{
		{"RS256", "has 1024 bits, RS256 takes at least 2048", pairOf(t, "RS256", key)},
		{"ES256", "is not on the curve P-256, which ES256 takes", weakEC(t)},
		{"HS256", "has 31 bytes, HS256 takes at least 32", shared([]byte(strings.Repeat("k", 31)))},
	} {
		for _, material := range [][]byte{c.pair.private, c.pair.public} {
			err := tokens.Config{JWT: tokens.JWT{Algorithm: c.algorithm, Key: access.Secret(material)}}.Validate()
			require.EqualError(t, err, "auth.jwt.key: "+c.says)
		}
		_, err := tokens.Sign(tokens.Order{Algorithm: c.algorithm, Key: c.pair.private, Publish: []string{"a"}, TTL: time.Hour}, time.Now())
		require.EqualError(t, err, "key: "+c.says)
	}
}

func decoded(t *testing.T, segment string) string {
	t.Helper()
	text, err := jwt.NewParser().DecodeSegment(segment)
	require.NoError(t, err)
	return string(text)
}
