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

// SignRequest describes a token to sign.
type SignRequest struct {
	Algorithm string
	Key       []byte // a shared secret, or a private key in PEM
	Subscribe []string
	Publish   []string
	Presence  []string
	Info      string // a JSON object, or ""
	TTL       time.Duration
	Subject   string
	Issuer    string
	Audience  string
}

// Sign returns a signed token that is valid from now until now plus its TTL.
func Sign(r SignRequest, now time.Time) (string, error) {
	if !known(r.Algorithm) {
		return "", fmt.Errorf("algorithm: must be HS256, RS256, ES256 or EdDSA (got %q)", r.Algorithm)
	}
	if r.TTL < time.Second {
		return "", fmt.Errorf("ttl: must be at least 1s (got %s)", r.TTL)
	}
	if len(r.Subscribe)+len(r.Publish)+len(r.Presence) == 0 {
		return "", errors.New("a token must have at least one pattern of topics to subscribe to, publish to or see the members of")
	}
	if _, err := patternsOf(r.Subscribe); err != nil {
		return "", fmt.Errorf("subscribe: %w", err)
	}
	if _, err := patternsOf(r.Publish); err != nil {
		return "", fmt.Errorf("publish: %w", err)
	}
	if _, err := patternsOf(r.Presence); err != nil {
		return "", fmt.Errorf("presence: %w", err)
	}
	info, err := checkInfo([]byte(r.Info))
	if err != nil {
		return "", fmt.Errorf("info: %w", err)
	}
	key, err := parseSigningKey(r.Algorithm, r.Key)
	if err != nil {
		return "", fmt.Errorf("key: %w", err)
	}
	c := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: r.Subject, Issuer: r.Issuer,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(r.TTL)),
		},
		Carillon: claim{Subscribe: r.Subscribe, Publish: r.Publish, Presence: r.Presence, Info: []byte(info)},
	}
	if r.Audience != "" {
		c.Audience = jwt.ClaimStrings{r.Audience}
	}
	token, err := jwt.NewWithClaims(method(r.Algorithm), c).SignedString(private(key))
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return token, nil
}

// The kinds of private keys. Public returns the key that verifies tokens signed with them.
type (
	rsaKey struct{ *rsa.PrivateKey }
	ecKey  struct{ *ecdsa.PrivateKey }
	edKey  struct{ ed25519.PrivateKey }
)

func (k rsaKey) Public() any { return &k.PublicKey }
func (k ecKey) Public() any  { return &k.PublicKey }
func (k edKey) Public() any  { return k.PrivateKey.Public() }

// private returns a key in the type that the JWT library expects.
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
