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
	token, err := tokens.Sign(tokens.SignRequest{
		Algorithm: "HS256", Key: p.private, Subscribe: []string{"orders/**"}, Publish: []string{"a", "b/*"},
		TTL: time.Hour, Subject: "shop", Issuer: "i", Audience: "carillon",
	}, now)
	require.NoError(t, err)
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	assert.JSONEq(t, `{"alg":"HS256","typ":"JWT"}`, decoded(t, parts[0]))
	assert.JSONEq(t, `{"iss":"i","sub":"shop","aud":["carillon"],"iat":1800000000,"exp":1800003600,
		"carillon":{"subscribe":["orders/**"],"publish":["a","b/*"]}}`, decoded(t, parts[1]))

	member, err := tokens.Sign(tokens.SignRequest{
		Algorithm: "HS256", Key: p.private, Presence: []string{"room/*"}, TTL: time.Second, Subject: "u1", Info: `{ "name": "Ada" }`,
	}, now)
	require.NoError(t, err)
	assert.JSONEq(t, `{"sub":"u1","iat":1800000000,"exp":1800000001,"carillon":{"presence":["room/*"],"info":{"name":"Ada"}}}`,
		decoded(t, strings.Split(member, ".")[1]))

	least, err := tokens.Sign(tokens.SignRequest{Algorithm: "HS256", Key: p.private, Publish: []string{"a"}, TTL: time.Second}, now)
	require.NoError(t, err)
	assert.JSONEq(t, `{"iat":1800000000,"exp":1800000001,"carillon":{"publish":["a"]}}`, decoded(t, strings.Split(least, ".")[1]))
}

func TestSignRefusesInvalidRequests(t *testing.T) {
	p := newPair(t, "EdDSA")
	for name, c := range map[string]struct {
		change func(*tokens.SignRequest)
		says   string
	}{
		"no algorithm":        {func(r *tokens.SignRequest) { r.Algorithm = "" }, `algorithm: must be HS256, RS256, ES256 or EdDSA (got "")`},
		"none":                {func(r *tokens.SignRequest) { r.Algorithm = "none" }, `algorithm: must be HS256, RS256, ES256 or EdDSA (got "none")`},
		"an unknown one":      {func(r *tokens.SignRequest) { r.Algorithm = "HS512" }, `algorithm: must be HS256, RS256, ES256 or EdDSA (got "HS512")`},
		"no time":             {func(r *tokens.SignRequest) { r.TTL = 0 }, "ttl: must be at least 1s (got 0s)"},
		"the past":            {func(r *tokens.SignRequest) { r.TTL = -time.Hour }, "ttl: must be at least 1s (got -1h0m0s)"},
		"less than a second":  {func(r *tokens.SignRequest) { r.TTL = time.Second - 1 }, "ttl: must be at least 1s (got 999.999999ms)"},
		"no rights":           {func(r *tokens.SignRequest) { r.Subscribe = nil }, "at least one pattern"},
		"a wrong pattern":     {func(r *tokens.SignRequest) { r.Subscribe = []string{"a*"} }, "subscribe: topic"},
		"one of several":      {func(r *tokens.SignRequest) { r.Publish = []string{"a", ""} }, "publish: topic"},
		"a wrong presence":    {func(r *tokens.SignRequest) { r.Presence = []string{"a*"} }, "presence: topic"},
		"an info of text":     {func(r *tokens.SignRequest) { r.Info = "Ada" }, "info: must be a JSON object"},
		"a long info":         {func(r *tokens.SignRequest) { r.Info = `{"x":"` + strings.Repeat("y", 1<<10) + `"}` }, "info: must have at most 1024 bytes (got 1032)"},
		"no key":              {func(r *tokens.SignRequest) { r.Key = nil }, "key: must be an EdDSA key in PEM"},
		"a public key":        {func(r *tokens.SignRequest) { r.Key = p.public }, "key: must be an EdDSA key in PEM"},
		"a key of other kind": {func(r *tokens.SignRequest) { r.Algorithm = "ES256" }, "key: must be an ES256 key in PEM"},
		"PEM for a secret":    {func(r *tokens.SignRequest) { r.Algorithm = "HS256" }, "key: must be a shared secret for HS256"},
		"a short secret":      {func(r *tokens.SignRequest) { r.Algorithm, r.Key = "HS256", []byte("short") }, "key: must be at least 32 bytes long for HS256 (got 5)"},
	} {
		t.Run(name, func(t *testing.T) {
			request := tokens.SignRequest{Algorithm: "EdDSA", Key: p.private, Subscribe: []string{"**"}, TTL: time.Hour}
			c.change(&request)
			token, err := tokens.Sign(request, time.Now())
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
		{"RS256", "must have at least 2048 bits for RS256 (got 1024)", pairOf(t, "RS256", key)},
		{"ES256", "must be on the curve P-256 for ES256", weakEC(t)},
		{"HS256", "must be at least 32 bytes long for HS256 (got 31)", shared([]byte(strings.Repeat("k", 31)))},
	} {
		for _, material := range [][]byte{c.pair.private, c.pair.public} {
			err := tokens.Config{JWT: tokens.JWT{Algorithm: c.algorithm, Key: access.Secret(material)}}.Validate()
			require.EqualError(t, err, "auth.jwt.key: "+c.says)
		}
		_, err := tokens.Sign(tokens.SignRequest{Algorithm: c.algorithm, Key: c.pair.private, Publish: []string{"a"}, TTL: time.Hour}, time.Now())
		require.EqualError(t, err, "key: "+c.says)
	}
}

func decoded(t *testing.T, segment string) string {
	t.Helper()
	text, err := jwt.NewParser().DecodeSegment(segment)
	require.NoError(t, err)
	return string(text)
}
