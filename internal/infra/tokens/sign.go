package tokens

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Order is what a token shall say.
type Order struct {
	Algorithm string
	Key       []byte // a shared secret, or a private key in PEM
	Subscribe []string
	Publish   []string
	TTL       time.Duration
	Subject   string
	Issuer    string
	Audience  string
}

// Sign makes a token that is good from now on.
func Sign(o Order, now time.Time) (string, error) {
	if !known(o.Algorithm) {
		return "", fmt.Errorf("algorithm: got %q, takes HS256, RS256, ES256 or EdDSA", o.Algorithm)
	}
	if o.TTL < time.Second {
		return "", fmt.Errorf("ttl: got %s, takes a duration of at least 1s", o.TTL)
	}
	if len(o.Subscribe)+len(o.Publish) == 0 {
		return "", errors.New("a token that allows nothing is of no use: give it patterns to subscribe or publish to")
	}
	if _, err := patternsOf(o.Subscribe); err != nil {
		return "", fmt.Errorf("subscribe: %w", err)
	}
	if _, err := patternsOf(o.Publish); err != nil {
		return "", fmt.Errorf("publish: %w", err)
	}
	key, err := parseSigningKey(o.Algorithm, o.Key)
	if err != nil {
		return "", fmt.Errorf("key: %w", err)
	}
	c := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: o.Subject, Issuer: o.Issuer,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(o.TTL)),
		},
		Carillon: claim{Subscribe: o.Subscribe, Publish: o.Publish},
	}
	if o.Audience != "" {
		c.Audience = jwt.ClaimStrings{o.Audience}
	}
	token, err := jwt.NewWithClaims(method(o.Algorithm), c).SignedString(private(key))
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return token, nil
}

// The kinds of private keys, each of which knows its public half as what a token is checked with.
type (
	rsaKey struct{ *rsa.PrivateKey }
	ecKey  struct{ *ecdsa.PrivateKey }
	edKey  struct{ ed25519.PrivateKey }
)

func (k rsaKey) Public() any { return &k.PublicKey }
func (k ecKey) Public() any  { return &k.PublicKey }
func (k edKey) Public() any  { return k.PrivateKey.Public() }

// private is a key as the JWT library takes it.
func private(key any) any {
	switch k := key.(type) {
	case rsaKey:
		return k.PrivateKey
	case ecKey:
		return k.PrivateKey
	case edKey:
		return k.PrivateKey
	}
	return key
}
