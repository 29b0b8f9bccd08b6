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
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/golang-jwt/jwt/v5"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// maxToken bounds a token, in bytes.
const maxToken = 8 << 10

// Verifier checks tokens. Its methods may be called concurrently.
type Verifier struct {
	ring      atomic.Pointer[keyring]
	generated string
	changed   chan struct{} // the ring is another one
	failed    func(error)
}

// New reads the keys. When nobody could publish because no key at all is configured, it makes a token up. failed, which
// may be nil, is told each time the keys at a URL could not be had.
func New(cfg Config, failed func(error)) (*Verifier, error) {
	if failed == nil {
		failed = func(error) {}
	}
	v := &Verifier{generated: rand.Text(), changed: make(chan struct{}, 1), failed: failed}
	ring, err := newKeyring(cfg, v.generated, failed)
	if err != nil {
		return nil, err
	}
	v.ring.Store(ring)
	return v, nil
}

// Reload reads the keys anew. What was allowed by keys that are gone is refused from now on; streams that run already
// keep their rights until those expire. On an error everything stays as it was.
func (v *Verifier) Reload(cfg Config) error {
	ring, err := newKeyring(cfg, v.generated, v.failed)
	if err != nil {
		return err
	}
	if before := v.ring.Load(); ring.jwks != nil && before.jwks != nil {
		ring.jwks.inherit(before.jwks)
	}
	v.ring.Store(ring)
	select {
	case v.changed <- struct{}{}:
	default:
	}
	return nil
}

// Run keeps the keys at a URL fresh until the context ends.
func (v *Verifier) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		v.refresh(ctx)
	}
	return nil
}

// refresh keeps the keys of the ring there is fresh until there is another.
func (v *Verifier) refresh(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	if keys := v.ring.Load().jwks; keys != nil {
		running.Go(func() { keys.run(ctx) })
	}
	select {
	case <-ctx.Done():
	case <-v.changed:
	}
}

// Generated answers the publish token that was made up, if one is in use.
func (v *Verifier) Generated() (token string, made bool) {
	if !v.ring.Load().madeUp {
		return "", false
	}
	return v.generated, true
}

// Anonymous is what everybody may do.
func (v *Verifier) Anonymous() access.Rights {
	return access.Rights{Subscribe: v.ring.Load().everybody}
}

// Authenticate tells what a token entitles to. Its errors match [access.ErrInvalidToken], [access.ErrExpiredToken] and
// [access.ErrUnavailable], and hold nothing of the token.
func (v *Verifier) Authenticate(_ context.Context, token string) (access.Rights, error) {
	if len(token) > maxToken {
		return access.Rights{}, fmt.Errorf("%w: more than %d bytes", access.ErrInvalidToken, maxToken)
	}
	ring := v.ring.Load()
	if ring.isSecret(token) {
		all := access.Allow(event.Everything)
		return access.Rights{Subject: "publish_token", Subscribe: all, Publish: all}, nil
	}
	// A JWT has two dots; whatever has more could make a parser busy.
	if ring.parser == nil || strings.Count(token, ".") != 2 {
		return access.Rights{}, access.ErrInvalidToken
	}
	var c claims
	parsed, err := ring.parser.ParseWithClaims(token, &c, ring.keyOf)
	if err != nil {
		return access.Rights{}, explain(err)
	}
	if _, critical := parsed.Header["crit"]; critical { // RFC 7515, section 4.1.11: no extension is understood
		return access.Rights{}, fmt.Errorf("%w: it asks for an extension that is not known", access.ErrInvalidToken)
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
		Subject:   c.owner(token),
		Subscribe: access.Allow(slices.Concat(ring.patterns, subscribe)...),
		Publish:   access.Allow(publish...),
		Expires:   c.ExpiresAt.Add(ring.leeway), // or a stream would end as soon as it was let in
	}, nil
}

// claims are what a token says.
type claims struct {
	jwt.RegisteredClaims

	Carillon claim `json:"carillon"`
}

// owner tells whose token it is. Tokens that name nobody are each their own: that two of them have one owner is not known.
func (c claims) owner(token string) string {
	if c.Subject != "" {
		return fmt.Sprintf("jwt %q %q", c.Issuer, c.Subject)
	}
	signed := sha256.Sum256([]byte(token[:strings.LastIndexByte(token, '.')]))
	return "jwt " + hex.EncodeToString(signed[:])
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
