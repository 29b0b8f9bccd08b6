// Package tokens tells what a token entitles to: a shared secret, or a JWT (RFC 7519) with a claim of its own.
//
// What it promises: the algorithm is pinned by the configured key and never taken from the token; a JWT must expire;
// nothing of a token or a key is in any error; a token of more than 8 KiB is refused unread; secrets are compared in
// constant time. Keys at a URL come from that URL alone.
package tokens

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// maxToken bounds a token, in bytes.
const maxToken = 8 << 10

// Verifier checks tokens. Its methods may be called concurrently.
type Verifier struct {
	secret    [sha256.Size]byte // of the publish token: a hash, so that comparing does not tell the length
	open      bool              // there is a publish token
	generated string
	everybody access.Grant
	patterns  []event.Pattern // of everybody
	parser    *jwt.Parser     // nil where no JWT is accepted
	keyOf     jwt.Keyfunc
	jwks      *jwks // nil where keys are not at a URL
}

// New reads the keys. When nobody could publish because no key at all is configured, it makes a token up. failed, which
// may be nil, is told each time the keys at a URL could not be had.
func New(cfg Config, failed func(error)) (*Verifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	v := &Verifier{}
	var err error
	if v.everybody, err = cfg.anonymous(); err != nil {
		return nil, err
	}
	if v.patterns, err = patternsOf(cfg.Anonymous.Subscribe); err != nil {
		return nil, err
	}
	if err := v.useJWT(cfg.JWT, failed); err != nil {
		return nil, err
	}
	token := cfg.PublishToken.Reveal()
	if token == "" && v.parser == nil {
		v.generated = rand.Text()
		token = v.generated
	}
	v.secret, v.open = sha256.Sum256([]byte(token)), token != ""
	return v, nil
}

func (v *Verifier) useJWT(cfg JWT, failed func(error)) error {
	if failed == nil {
		failed = func(error) {}
	}
	keys, err := cfg.keys()
	switch {
	case err != nil:
		return err
	case cfg.JWKSURL != "":
		v.jwks = newJWKS(cfg, failed)
		v.keyOf = v.jwks.key
	case len(keys) > 0:
		set := jwt.VerificationKeySet{}
		for _, key := range keys {
			set.Keys = append(set.Keys, key)
		}
		v.keyOf = func(*jwt.Token) (any, error) { return set, nil }
	default:
		return nil
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods([]string{cfg.Algorithm}),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(cfg.Leeway),
	}
	if cfg.Issuer != "" {
		options = append(options, jwt.WithIssuer(cfg.Issuer))
	}
	if cfg.Audience != "" {
		options = append(options, jwt.WithAudience(cfg.Audience))
	}
	v.parser = jwt.NewParser(options...)
	return nil
}

// Run keeps the keys at a URL fresh until the context ends.
func (v *Verifier) Run(ctx context.Context) error {
	if v.jwks != nil {
		v.jwks.run(ctx)
	}
	<-ctx.Done()
	return nil
}

// Generated answers the publish token that was made up, if one was.
func (v *Verifier) Generated() (token string, made bool) { return v.generated, v.generated != "" }

// Anonymous is what everybody may do.
func (v *Verifier) Anonymous() access.Rights { return access.Rights{Subscribe: v.everybody} }

// Authenticate tells what a token entitles to. Its errors match [access.ErrInvalidToken], [access.ErrExpiredToken] and
// [access.ErrUnavailable], and hold nothing of the token.
func (v *Verifier) Authenticate(_ context.Context, token string) (access.Rights, error) {
	if len(token) > maxToken {
		return access.Rights{}, fmt.Errorf("%w: more than %d bytes", access.ErrInvalidToken, maxToken)
	}
	given := sha256.Sum256([]byte(token))
	if v.open && subtle.ConstantTimeCompare(given[:], v.secret[:]) == 1 {
		all := access.Allow(event.Everything)
		return access.Rights{Subscribe: all, Publish: all}, nil
	}
	// A JWT has two dots; whatever has more could make a parser busy.
	if v.parser == nil || strings.Count(token, ".") != 2 {
		return access.Rights{}, access.ErrInvalidToken
	}
	var c claims
	if _, err := v.parser.ParseWithClaims(token, &c, v.keyOf); err != nil {
		return access.Rights{}, explain(err)
	}
	subscribe, err := patternsOf(c.Carillon.Subscribe)
	if err != nil {
		return access.Rights{}, fmt.Errorf("%w: claim carillon.subscribe: %w", access.ErrInvalidToken, err)
	}
	publish, err := patternsOf(c.Carillon.Publish)
	if err != nil {
		return access.Rights{}, fmt.Errorf("%w: claim carillon.publish: %w", access.ErrInvalidToken, err)
	}
	return access.Rights{
		Subject:   c.Subject,
		Subscribe: access.Allow(slices.Concat(v.patterns, subscribe)...),
		Publish:   access.Allow(publish...),
		Expires:   c.ExpiresAt.Time,
	}, nil
}

// claims are what a token says.
type claims struct {
	jwt.RegisteredClaims

	Carillon claim `json:"carillon"`
}

// claim is what a token says of its owner's rights, in patterns.
type claim struct {
	Subscribe []string `json:"subscribe,omitempty"`
	Publish   []string `json:"publish,omitempty"`
}

// explain says what is wrong with a token in words that hold nothing of it.
func explain(err error) error {
	switch {
	case errors.Is(err, access.ErrUnavailable):
		return access.ErrUnavailable
	case errors.Is(err, jwt.ErrTokenExpired):
		return access.ErrExpiredToken
	}
	for _, reason := range []struct {
		err  error
		text string
	}{
		{jwt.ErrTokenMalformed, "not a JWT with the claims that are wanted"},
		{jwt.ErrTokenUnverifiable, "signed with a key that is not known"},
		{jwt.ErrTokenSignatureInvalid, "its signature is wrong"},
		{jwt.ErrTokenRequiredClaimMissing, "a claim is missing"},
		{jwt.ErrTokenInvalidAudience, "not meant for this server"},
		{jwt.ErrTokenInvalidIssuer, "from another issuer"},
		{jwt.ErrTokenNotValidYet, "not valid yet"},
		{jwt.ErrTokenUsedBeforeIssued, "issued in the future"},
	} {
		if errors.Is(err, reason.err) {
			return fmt.Errorf("%w: %s", access.ErrInvalidToken, reason.text)
		}
	}
	return access.ErrInvalidToken
}
