package tokens_test

import (
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"carillon/internal/domain/access"
	"carillon/internal/infra/tokens"
)

const canary = "canary7f3a"

// Errors go to logs and to clients: nothing of a key or of a token may be in any.
func TestNoErrorHoldsASecret(t *testing.T) {
	var said []error
	add := func(err error) {
		t.Helper()
		if assert.Error(t, err) {
			said = append(said, err)
		}
	}
	block := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Headers: map[string]string{"x": canary}, Bytes: []byte(canary)}))
	for _, algorithm := range append(algorithms, "none") {
		for _, key := range []access.Secret{canary, access.Secret(block), "-----BEGIN " + canary} {
			name := file(t, []byte(key))
			for _, j := range []tokens.JWT{
				{Key: key},
				{KeyFile: name},
				{Key: access.Secret(strings.Repeat("k", 32)), PreviousKey: key},
				{Key: access.Secret(strings.Repeat("k", 32)), PreviousKeyFile: name},
				{Key: key, JWKSURL: "https://" + canary},
				{PreviousKey: key},
				{JWKSURL: "http://localhost", PreviousKey: key},
			} {
				j.Algorithm = algorithm
				_, err := tokens.New(tokens.Config{JWT: j}, nil)
				add(err)
			}
			_, err := tokens.Sign(tokens.SignRequest{Algorithm: algorithm, Key: []byte(key), Publish: []string{"**"}, TTL: time.Hour}, time.Now())
			add(err)
		}
	}
	for _, address := range []string{
		"https://me:" + canary + "@host/", "ftp://host/" + canary, "http://host/?key=" + canary, "://" + canary, canary, "https://h\x7f/" + canary,
	} {
		_, err := tokens.New(tokens.Config{JWT: tokens.JWT{Algorithm: "RS256", JWKSURL: address, JWKSRefresh: time.Hour}}, nil)
		add(err)
	}
	for _, token := range []access.Secret{canary + "\n", access.Secret(strings.Repeat(canary, 1000))} {
		add(tokens.Config{PublishToken: token}.Validate())
	}

	p := newPair(t, "HS256")
	cfg := p.config()
	cfg.PublishToken, cfg.JWT.Issuer, cfg.JWT.Audience = canary, "i", "a"
	v := newVerifier(t, cfg)
	claims := func(name string, value any) map[string]any {
		all := map[string]any{"exp": farAway(), "iss": "i", "aud": "a", "jti": canary}
		all[name] = value
		return all
	}
	for _, token := range []string{
		canary + "x", canary + "." + canary + "." + canary, strings.Repeat(canary, 1000),
		encoded(`{"alg":"`+canary+`"}`) + "." + encoded(`{"`+canary+`":`) + ".", encoded(`{"alg":"`+canary+`"}`) + "." + encoded(`{}`) + ".",
		p.forge(t, claims("exp", canary), nil), p.forge(t, claims("exp", 1), nil), p.forge(t, claims("aud", canary), nil),
		p.forge(t, claims("iss", canary), nil), p.forge(t, claims("nbf", farAway()), nil), p.forge(t, claims("aud", map[string]any{canary: 1}), nil),
		p.forge(t, claims("carillon", canary), nil), p.forge(t, claims("x", 1), map[string]any{"crit": []string{canary}}),
		p.forge(t, claims("carillon", map[string]any{"subscribe": []string{canary + "*"}}), nil),
		p.forge(t, claims("carillon", map[string]any{"publish": []string{"**/" + canary}}), nil),
		p.forge(t, claims("carillon", map[string]any{"publish": []string{canary + "\n"}}), nil),
		p.forge(t, claims("carillon", map[string]any{"publish": []string{strings.Repeat(canary, 100)}}), nil),
		newPair(t, "HS256").forge(t, claims("x", canary), nil),
	} {
		add(check(t, v, token))
	}
	for _, err := range said {
		assert.NotContains(t, err.Error(), canary)
		assert.NotContains(t, err.Error(), encoded(canary))
	}
}
