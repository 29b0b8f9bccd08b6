package tokens_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
	"carillon/internal/infra/tokens"
)

// Each error names the key of the configuration that it is about, and New refuses what Validate does.
func TestWrongConfigurations(t *testing.T) {
	p, q := newPair(t, "ES256"), newPair(t, "EdDSA")
	key := access.Secret(p.public)
	const url = "https://issuer/keys"
	jwt := func(j tokens.JWT) tokens.Config { return tokens.Config{JWT: j} }
	for name, c := range map[string]struct {
		cfg  tokens.Config
		says string
	}{
		"a wrong pattern":        {tokens.Config{Anonymous: tokens.Anonymous{Subscribe: []string{"**", "a**"}}}, "auth.anonymous.subscribe: topic"},
		"a token with a space":   {tokens.Config{PublishToken: "a b"}, "auth.publish_token: must be printable ASCII"},
		"a token beyond ASCII":   {tokens.Config{PublishToken: "ä"}, "auth.publish_token: must be printable ASCII"},
		"a token too long":       {tokens.Config{PublishToken: access.Secret(make([]byte, 8193))}, "auth.publish_token: must be at most 8192 bytes long (got 8193)"},
		"a negative leeway":      {jwt(tokens.JWT{Leeway: -1}), "auth.jwt.leeway: must be between 0s and 1h (got -1ns)"},
		"a day of leeway":        {jwt(tokens.JWT{Leeway: 24 * time.Hour}), "auth.jwt.leeway: must be between 0s and 1h (got 24h0m0s)"},
		"no algorithm":           {jwt(tokens.JWT{Key: key}), `auth.jwt.algorithm: must be HS256, RS256, ES256 or EdDSA (got "")`},
		"none":                   {jwt(tokens.JWT{Algorithm: "none", Key: key}), `auth.jwt.algorithm: must be HS256, RS256, ES256 or EdDSA (got "none")`},
		"in small letters":       {jwt(tokens.JWT{Algorithm: "es256", Key: key}), `auth.jwt.algorithm: must be HS256, RS256, ES256 or EdDSA (got "es256")`},
		"a key of other kind":    {jwt(tokens.JWT{Algorithm: "RS256", Key: key}), "auth.jwt.key: must be an RS256 key in PEM"},
		"a public key as secret": {jwt(tokens.JWT{Algorithm: "HS256", Key: "\n" + key}), "auth.jwt.key: must be a shared secret for HS256"},
		"a file as secret":       {jwt(tokens.JWT{Algorithm: "HS256", KeyFile: file(t, p.public)}), "auth.jwt.key_file: must be a shared secret for HS256"},
		"an empty file":          {jwt(tokens.JWT{Algorithm: "HS256", KeyFile: file(t, nil)}), "auth.jwt.key_file: must be at least 32 bytes long for HS256 (got 0)"},
		"no such file":           {jwt(tokens.JWT{Algorithm: "HS256", KeyFile: "/nowhere"}), "auth.jwt.key_file: cannot read the file"},
		"a previous key of another kind": {
			jwt(tokens.JWT{Algorithm: "ES256", Key: key, PreviousKey: access.Secret(q.public)}), "auth.jwt.previous_key: must be an ES256 key in PEM",
		},
		"a previous key file of another kind": {
			jwt(tokens.JWT{Algorithm: "ES256", Key: key, PreviousKeyFile: file(t, q.public)}), "auth.jwt.previous_key_file: must be an ES256 key in PEM",
		},
		"only a previous key": {jwt(tokens.JWT{Algorithm: "ES256", PreviousKey: key}), "auth.jwt.previous_key: must not be set without"},
		"a key and a file":    {jwt(tokens.JWT{Algorithm: "ES256", Key: key, KeyFile: "f"}), "auth.jwt: must have at most one of"},
		"a key and a URL":     {jwt(tokens.JWT{Algorithm: "ES256", Key: key, JWKSURL: url}), "auth.jwt: must have at most one of"},
		"a URL and a previous key": {
			jwt(tokens.JWT{Algorithm: "ES256", JWKSURL: url, PreviousKey: key, JWKSRefresh: time.Hour}), "auth.jwt.previous_key: must not be set with jwks_url",
		},
		"no URL":             {jwt(tokens.JWT{Algorithm: "ES256", JWKSURL: "issuer"}), "auth.jwt.jwks_url: must be a URL"},
		"a URL in the clear": {jwt(tokens.JWT{Algorithm: "ES256", JWKSURL: "http://issuer/"}), "auth.jwt.jwks_url: must be an https URL"},
		"a file's URL":       {jwt(tokens.JWT{Algorithm: "ES256", JWKSURL: "file://localhost/keys"}), "auth.jwt.jwks_url: must be an https URL"},
		"a name that begins like this machine's": {
			jwt(tokens.JWT{Algorithm: "ES256", JWKSURL: "http://localhost.example/"}), "auth.jwt.jwks_url: must be an https URL",
		},
		"a password in the URL":    {jwt(tokens.JWT{Algorithm: "ES256", JWKSURL: "https://a:b@issuer/"}), "auth.jwt.jwks_url: must not contain a user name"},
		"shared secrets at a URL":  {jwt(tokens.JWT{Algorithm: "HS256", JWKSURL: url, JWKSRefresh: time.Hour}), "auth.jwt.algorithm: must be an algorithm with public keys"},
		"asking all the time":      {jwt(tokens.JWT{Algorithm: "ES256", JWKSURL: url, JWKSRefresh: time.Second}), "auth.jwt.jwks_refresh: must be at least 10s (got 1s)"},
		"no time to ask again":     {jwt(tokens.JWT{Algorithm: "ES256", JWKSURL: url}), "auth.jwt.jwks_refresh: must be at least 10s (got 0s)"},
		"a time before any to ask": {jwt(tokens.JWT{Algorithm: "ES256", JWKSURL: url, JWKSRefresh: -time.Hour}), "auth.jwt.jwks_refresh: must be at least 10s (got -1h"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, c.cfg.Validate(), c.says)
			v, err := tokens.New(c.cfg, nil)
			require.ErrorContains(t, err, c.says)
			assert.Nil(t, v)
		})
	}
}

func TestEveryMistakeIsNamedAtOnce(t *testing.T) {
	err := tokens.Config{
		PublishToken: "a b", Anonymous: tokens.Anonymous{Subscribe: []string{""}}, JWT: tokens.JWT{Leeway: -1},
	}.Validate()
	for _, key := range []string{"auth.publish_token", "auth.anonymous.subscribe", "auth.jwt.leeway"} {
		assert.ErrorContains(t, err, key)
	}
}

func TestURLsThatAreTaken(t *testing.T) {
	for _, url := range []string{"https://issuer/keys?x=y", "http://localhost:1/", "http://127.0.0.1/", "http://127.9.9.9:80", "http://[::1]:8080/keys"} {
		cfg := tokens.Config{JWT: tokens.JWT{Algorithm: "RS256", JWKSURL: url, JWKSRefresh: 10 * time.Second}}
		assert.NoError(t, cfg.Validate(), url)
	}
}
