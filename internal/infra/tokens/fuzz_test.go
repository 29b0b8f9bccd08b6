package tokens_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/infra/tokens"
)

// fixedPairs are the same in every process of a fuzz run, so that what one found the others can use.
func fixedPairs(t testing.TB) []pair {
	t.Helper()
	seed := []byte(strings.Repeat("fuzz", 8))
	ec, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed)
	require.NoError(t, err)
	return []pair{shared(seed), pairOf(t, "ES256", ec), pairOf(t, "EdDSA", ed25519.NewKeyFromSeed(seed))}
}

// Whatever is presented: no panic, no error but the three, and in comes only what we signed, with the rights we gave it.
func FuzzAuthenticate(f *testing.F) {
	const secret = "sesame"
	var verifiers []*tokens.Verifier
	ours := map[string]string{} // what was signed, and the topic it may publish to
	forever := time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	add := func(token string) { f.Add(token) }
	for i, p := range fixedPairs(f) {
		cfg := p.config()
		cfg.PublishToken = secret
		verifiers = append(verifiers, newVerifier(f, cfg))
		topic := fmt.Sprint("mine/", i)
		claims := map[string]any{"exp": forever, "carillon": map[string]any{"publish": []string{topic}}}
		token := p.forge(f, claims, nil)
		signed, signature := cut(token)
		ours[signed] = topic
		_, body, _ := strings.Cut(signed, ".")
		add(token)
		add(signed + ".")
		for _, header := range []string{`{}`, `null`, `{"alg":"none"}`, `{"alg":"HS256","crit":["a"]}`, `{"alg":"EdDSA","jwk":{}}`, `{"alg":["ES256"]}`} {
			add(encoded(header) + "." + body + "." + signature)
		}
		for _, body := range []string{`{}`, `null`, `{"exp":9e99}`, `{"exp":null,"carillon":{"publish":["**"]}}`, `{"exp":7258118400,"carillon":"**"}`} {
			add(encoded(`{"alg":"`+p.algorithm+`","typ":"JWT"}`) + "." + encoded(body) + "." + signature)
		}
		confused, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(claims)).SignedString(p.public)
		require.NoError(f, err)
		add(confused)
	}
	for _, token := range []string{"", ".", "..", "...", secret, secret + ".a.b", "\x00.\xff.\n", strings.Repeat(".", 9000)} {
		add(token)
	}

	f.Fuzz(func(t *testing.T, token string) {
		for _, v := range verifiers {
			rights, err := v.Authenticate(t.Context(), token)
			if err != nil {
				if !errors.Is(err, access.ErrInvalidToken) && !errors.Is(err, access.ErrExpiredToken) {
					t.Fatalf("an error of no kind: %v", err)
				}
				continue
			}
			signed, _ := cut(token)
			topic, isOurs := ours[signed]
			switch {
			case token == secret:
			case !isOurs:
				t.Fatalf("let in: %q", token)
			case rights.Publish.All() || rights.Subscribe.All() || !rights.Publish.Allows(event.MustTopic(topic)):
				t.Fatalf("other rights than were given: %q", token)
			case rights.Expires.Unix() != forever:
				t.Fatalf("ends at %s: %q", rights.Expires, token)
			}
		}
	})
}

// Whatever stands in a token that we did sign: no panic, and it is let in only with an end to come, no extension, and
// patterns that can be read; then it may do what they say and no more.
func FuzzSignedClaims(f *testing.F) {
	p := fixedPairs(f)[0]
	v := newVerifier(f, p.config())
	const header, topic = `{"alg":"HS256"}`, "a/b"
	for _, body := range []string{
		`{"exp":7258118400,"carillon":{"publish":["a/*"]}}`, `{"exp":7258118400.9,"carillon":{"publish":["b","**"]}}`, `{"exp":7258118400}`,
		`{"exp":9e99}`, `{"exp":-1}`, `{"exp":"7258118400"}`, `{"exp":null}`, `{"EXP":7258118400,"nbf":1e400}`, `{"exp":{}}`, `null`, `[]`, `1`, `{`,
		`{"exp":7258118400,"aud":["x",1],"iat":-0}`, `{"exp":7258118400,"carillon":{"publish":"a/b"}}`, `{"exp":7258118400,"carillon":{"publish":["a*"]}}`,
	} {
		f.Add(header, body)
	}
	for _, header := range []string{`{"alg":"none"}`, `{"alg":"HS512"}`, `{"alg":"HS256","crit":[]}`, `{"alg":"HS256","kid":{}}`, `{}`, `null`, ``} {
		f.Add(header, `{"exp":7258118400}`)
	}

	f.Fuzz(func(t *testing.T, header, body string) {
		text := encoded(header) + "." + encoded(body)
		signature, err := jwt.SigningMethodHS256.Sign(text, p.signer)
		require.NoError(t, err)
		rights, err := v.Authenticate(t.Context(), text+"."+encoded(string(signature)))
		if err != nil {
			if !errors.Is(err, access.ErrInvalidToken) && !errors.Is(err, access.ErrExpiredToken) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		var head map[string]any
		var said struct {
			Exp      float64
			Carillon struct{ Publish []string }
		}
		require.NoError(t, json.Unmarshal([]byte(header), &head))
		require.NoError(t, json.Unmarshal([]byte(body), &said))
		if _, critical := head["crit"]; critical || head["alg"] != "HS256" {
			t.Fatalf("let in with the header %s", header)
		}
		if now := time.Now(); said.Exp < float64(now.Unix()) || !now.Before(rights.Expires) {
			t.Fatalf("let in although it is at an end: %s", body)
		}
		may := false
		for _, text := range said.Carillon.Publish {
			pattern, err := event.ParsePattern(text)
			require.NoError(t, err, "let in with a pattern that is none")
			may = may || pattern.Matches(event.MustTopic(topic))
		}
		if may != rights.Publish.Allows(event.MustTopic(topic)) {
			t.Fatalf("may it publish? %v, and yet: %s", !may, body)
		}
	})
}

// cut tells what a token's signature is of.
func cut(token string) (signed, signature string) {
	dot := strings.LastIndexByte(token, '.')
	return token[:max(dot, 0)], token[dot+1:]
}
