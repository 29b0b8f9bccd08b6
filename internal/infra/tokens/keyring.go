package tokens

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// keyring is what tokens are checked with at a time. It does not change; a reload makes another one.
type keyring struct {
	secret    [sha256.Size]byte // of the publish token: a hash, so that comparing does not tell the length
	open      bool              // there is a publish token
	madeUp    bool              // nobody configured it
	everybody access.Grant
	patterns  []event.Pattern // of everybody
	parser    *jwt.Parser     // nil where no JWT is accepted
	keyOf     jwt.Keyfunc
	leeway    time.Duration
	jwks      *jwks // nil where keys are not at a URL
}

// newKeyring reads the keys. When there are none, the spare token is the publish token.
func newKeyring(cfg Config, spare string, failed func(error)) (*keyring, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	patterns, err := patternsOf(cfg.Anonymous.Subscribe)
	if err != nil {
		return nil, err
	}
	k := &keyring{patterns: patterns, everybody: access.Allow(patterns...)}
	if err := k.useJWT(cfg.JWT, failed); err != nil {
		return nil, err
	}
	token := cfg.PublishToken.Reveal()
	if token == "" && k.parser == nil {
		token, k.madeUp = spare, true
	}
	k.secret, k.open = sha256.Sum256([]byte(token)), token != ""
	return k, nil
}

func (k *keyring) useJWT(cfg JWT, failed func(error)) error {
	keys, err := cfg.keys()
	switch {
	case err != nil:
		return err
	case cfg.JWKSURL != "":
		k.jwks = newJWKS(cfg, failed)
		k.keyOf = k.jwks.key
	case len(keys) > 0:
		set := jwt.VerificationKeySet{}
		for _, key := range keys {
			set.Keys = append(set.Keys, key)
		}
		k.keyOf = func(*jwt.Token) (any, error) { return set, nil }
	default:
		return nil
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods([]string{cfg.Algorithm}),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(cfg.Leeway),
		jwt.WithStrictDecoding(),
	}
	if cfg.Issuer != "" {
		options = append(options, jwt.WithIssuer(cfg.Issuer))
	}
	if cfg.Audience != "" {
		options = append(options, jwt.WithAudience(cfg.Audience))
	}
	k.leeway = cfg.Leeway
	k.parser = jwt.NewParser(options...)
	return nil
}

// isSecret compares in constant time.
func (k *keyring) isSecret(token string) bool {
	given := sha256.Sum256([]byte(token))
	return k.open && subtle.ConstantTimeCompare(given[:], k.secret[:]) == 1
}
