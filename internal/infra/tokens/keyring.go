package tokens

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/golang-jwt/jwt/v5"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// keyring holds everything that tokens are verified with. It is immutable; a reload replaces it.
type keyring struct {
	secret    [sha256.Size]byte // hash of the publish token, so that comparing does not reveal its length
	hasSecret bool              // whether there is a publish token
	generated bool              // whether the publish token was generated
	anonymous access.Grant      // topics that may be subscribed to without a token
	patterns  []event.Pattern   // of anonymous
	parser    *jwt.Parser       // nil: no JWT is accepted
	keyOf     func(context.Context, *jwt.Token) (any, error)
	keys      keyNames // of the keys that are configured themselves
	jwks      *jwks    // nil: the keys are not at a URL
	terms     string   // identifies what a JWT is checked for besides its key
}

// newKeyring reads the keys. When none are configured, the generated token is the publish token.
func newKeyring(cfg Config, generated string, failed func(error), changed func()) (*keyring, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	patterns, err := patternsOf(cfg.Anonymous.Subscribe)
	if err != nil {
		return nil, err
	}
	k := &keyring{patterns: patterns, anonymous: access.Allow(patterns...)}
	if err := k.useJWT(cfg.JWT, failed, changed); err != nil {
		return nil, err
	}
	token := cfg.PublishToken.Reveal()
	if token == "" && k.parser == nil {
		token, k.generated = generated, true
	}
	k.secret, k.hasSecret = sha256.Sum256([]byte(token)), token != ""
	return k, nil
}

func (k *keyring) useJWT(cfg JWT, failed func(error), changed func()) error {
	keys, err := cfg.keys()
	switch {
	case err != nil:
		return err
	case cfg.JWKSURL != "":
		k.jwks = newJWKS(cfg, failed, changed)
		k.keyOf = k.jwks.key
	case len(keys) > 0:
		set := jwt.VerificationKeySet{}
		for _, key := range keys {
			set.Keys = append(set.Keys, key)
		}
		k.keys = newKeyNames(keys)
		k.keyOf = func(context.Context, *jwt.Token) (any, error) { return set, nil }
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
	k.parser = jwt.NewParser(options...)
	k.terms = termsOf(cfg)
	return nil
}

// isSecret reports whether a token is the publish token. It compares in constant time.
func (k *keyring) isSecret(token string) bool {
	given := sha256.Sum256([]byte(token))
	return k.hasSecret && subtle.ConstantTimeCompare(given[:], k.secret[:]) == 1
}
