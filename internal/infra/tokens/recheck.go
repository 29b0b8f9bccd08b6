package tokens

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"carillon/internal/domain/access"
)

// Recheck returns what the owner of a credential may subscribe to now; nil is a client without a token. It fails with
// [access.ErrInvalidToken] when the publish token, the key, or the required algorithm, issuer or audience is another one
// by now, and with [access.ErrUnavailable] while the keys at a URL are not known.
func (v *Verifier) Recheck(c *access.Credential) (access.Grant, error) {
	ring := v.ring.Load()
	switch {
	case c == nil:
		return ring.anonymous, nil
	case ring.hasSecret && c.Proof == ring.secretProof():
		return c.Subscribe, nil
	}
	key, ok := strings.CutSuffix(c.Proof, ring.terms)
	switch {
	case !ok || ring.parser == nil:
		return access.Grant{}, access.ErrInvalidToken
	case ring.jwks == nil:
		if !ring.keys[key] {
			return access.Grant{}, access.ErrInvalidToken
		}
	default:
		set := ring.jwks.set.Load()
		if set == nil {
			return access.Grant{}, access.ErrUnavailable
		}
		if !set.names[key] {
			return access.Grant{}, access.ErrInvalidToken
		}
	}
	return c.Subscribe.With(ring.anonymous), nil
}

// secretProof identifies the publish token.
func (k *keyring) secretProof() string { return "secret " + hex.EncodeToString(k.secret[:16]) }

// proof identifies the key that a JWT was verified with, and the terms.
func (k *keyring) proof(key any) string { return nameOf(key) + k.terms }

// termsOf identifies what a JWT is checked for besides its key and its times.
func termsOf(cfg JWT) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{cfg.Algorithm, cfg.Issuer, cfg.Audience}, "\x00")))
	return " " + hex.EncodeToString(sum[:8])
}

// keyNames are the names of keys: hashes, so that they are no secrets themselves and the same in each reading.
type keyNames map[string]bool

func newKeyNames(keys []any) keyNames {
	names := make(keyNames, len(keys))
	for _, key := range keys {
		names[nameOf(key)] = true
	}
	return names
}

// within reports whether the others have all of the keys.
func (n keyNames) within(others keyNames) bool {
	for name := range n {
		if !others[name] {
			return false
		}
	}
	return true
}

// nameOf returns the name of a shared secret or public key.
func nameOf(key any) string {
	material, isSecret := key.([]byte)
	if !isSecret {
		var err error
		if material, err = x509.MarshalPKIXPublicKey(key); err != nil {
			return "" // no key of the algorithms in use
		}
	}
	sum := sha256.Sum256(material)
	return hex.EncodeToString(sum[:16])
}

// keyUsed returns which of several keys verifies a token that was verified with one of them.
func keyUsed(token *jwt.Token, keys any) any {
	set, several := keys.(jwt.VerificationKeySet)
	if !several {
		return keys
	}
	signed := token.Raw[:strings.LastIndexByte(token.Raw, '.')]
	i := slices.IndexFunc(set.Keys, func(key jwt.VerificationKey) bool {
		return len(set.Keys) == 1 || token.Method.Verify(signed, token.Signature, key) == nil
	})
	if i < 0 {
		return nil
	}
	return set.Keys[i]
}
