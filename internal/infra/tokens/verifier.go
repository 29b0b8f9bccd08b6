// Package tokens authenticates tokens and returns their rights. A token is a shared secret, or a JWT (RFC 7519) with the
// claim "carillon".
//
// Guarantees: the algorithm is set by the configuration and never taken from the token; a JWT must expire; no error
// contains any part of a token or a key; a token of more than 8 KiB is refused without parsing it; secrets are compared
// in constant time; keys at a URL are fetched from that URL only, without following redirects.
package tokens

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// maxToken is the maximum size of a token, in bytes.
const maxToken = 8 << 10

// Verifier verifies tokens. Its methods may be called concurrently.
type Verifier struct {
	ring      atomic.Pointer[keyring]
	generated string
	replaced  chan struct{} // receives after the keyring was replaced
	changed   chan struct{} // receives after that, and after keys at a URL have changed
	failed    func(error)
}

// New reads the keys. When no key is configured at all, nobody could publish, so it generates a publish token. failed,
// which may be nil, is called each time the keys at a URL could not be fetched.
func New(cfg Config, failed func(error)) (*Verifier, error) {
	if failed == nil {
		failed = func(error) {}
	}
	v := &Verifier{generated: rand.Text(), replaced: make(chan struct{}, 1), changed: make(chan struct{}, 1), failed: failed}
	ring, err := newKeyring(cfg, v.generated, failed, v.signalChange)
	if err != nil {
		return nil, err
	}
	v.ring.Store(ring)
	return v, nil
}

// Reload reads the keys again. Tokens of removed keys are refused from now on, and [Verifier.Recheck] follows the new
// rules. On an error the verifier is unchanged.
func (v *Verifier) Reload(cfg Config) error {
	ring, err := newKeyring(cfg, v.generated, v.failed, v.signalChange)
	if err != nil {
		return err
	}
	if before := v.ring.Load(); ring.jwks != nil && before.jwks != nil {
		ring.jwks.inherit(before.jwks)
	}
	v.ring.Store(ring)
	signal(v.replaced)
	v.signalChange()
	return nil
}

// Changed receives after a reload, and after keys at a URL have changed. Several changes may be one signal.
func (v *Verifier) Changed() <-chan struct{} { return v.changed }

func (v *Verifier) signalChange() { signal(v.changed) }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run fetches the keys at a URL regularly until the context ends.
func (v *Verifier) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		v.refresh(ctx)
	}
	return nil
}

// refresh fetches the keys of the current keyring until the keyring is replaced.
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
	case <-v.replaced:
	}
}

// Generated returns the generated publish token, if one is in use.
func (v *Verifier) Generated() (token string, ok bool) {
	if !v.ring.Load().generated {
		return "", false
	}
	return v.generated, true
}

// Anonymous returns the rights of requests without a token.
func (v *Verifier) Anonymous() access.Rights {
	return access.Rights{Subscribe: v.ring.Load().anonymous}
}

// Authenticate returns the rights of a token. Its errors match [access.ErrInvalidToken], [access.ErrExpiredToken],
// [access.ErrUnavailable] and [context.Canceled], and contain no part of the token. A token that names an unknown key waits
// until the keys were fetched again, if that is allowed now; all such tokens share one fetch.
func (v *Verifier) Authenticate(ctx context.Context, token string) (access.Rights, error) {
	if len(token) > maxToken {
		return access.Rights{}, fmt.Errorf("%w: more than %d bytes", access.ErrInvalidToken, maxToken)
	}
	ring := v.ring.Load()
	if ring.isSecret(token) {
		all := access.Allow(event.Everything)
		return access.Rights{
			Subject: "publish_token", Subscribe: all, Publish: all, Presence: all,
			Credential: &access.Credential{Proof: ring.secretProof(), Subscribe: all},
		}, nil
	}
	// A JWT has two dots; parsing text with many more would be expensive.
	if ring.parser == nil || strings.Count(token, ".") != 2 {
		return access.Rights{}, access.ErrInvalidToken
	}
	var c claims
	var key any // or several
	parsed, err := ring.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (_ any, err error) {
		key, err = ring.keyOf(ctx, t)
		return key, err
	})
	if err != nil {
		return access.Rights{}, reasonOf(err)
	}
	if _, critical := parsed.Header["crit"]; critical { // RFC 7515, section 4.1.11: no extension is understood
		return access.Rights{}, fmt.Errorf("%w: it requires an unknown extension", access.ErrInvalidToken)
	}
	subscribe, err := patternsOf(c.Carillon.Subscribe)
	if err != nil {
		return access.Rights{}, fmt.Errorf("%w: claim carillon.subscribe: %w", access.ErrInvalidToken, err)
	}
	publish, err := patternsOf(c.Carillon.Publish)
	if err != nil {
		return access.Rights{}, fmt.Errorf("%w: claim carillon.publish: %w", access.ErrInvalidToken, err)
	}
	presence, err := patternsOf(c.Carillon.Presence)
	if err != nil {
		return access.Rights{}, fmt.Errorf("%w: claim carillon.presence: %w", access.ErrInvalidToken, err)
	}
	member, err := memberOf(c.Subject, c.Carillon.Info)
	if err != nil {
		return access.Rights{}, fmt.Errorf("%w: claim carillon.info: %w", access.ErrInvalidToken, err)
	}
	return access.Rights{
		Subject:   c.owner(token),
		Subscribe: access.Allow(slices.Concat(ring.patterns, subscribe)...),
		Publish:   access.Allow(publish...),
		Presence:  access.Allow(presence...),
		Member:    member,
		Expires:   c.ExpiresAt.Time, // without the leeway, which is only for accepting a token
		Credential: &access.Credential{
			Subject: c.Subject, Proof: ring.proof(keyUsed(parsed, key)), Subscribe: access.Allow(subscribe...),
		},
	}, nil
}

// claims are the claims of a token.
type claims struct {
	jwt.RegisteredClaims

	Carillon claim `json:"carillon"`
}

// UnmarshalJSON refuses dates in quotes, which the JWT library accepts: a NumericDate is a number (RFC 7519, section 2).
func (c *claims) UnmarshalJSON(text []byte) error {
	var dates struct {
		ExpiresAt notQuoted `json:"exp"`
		NotBefore notQuoted `json:"nbf"`
		IssuedAt  notQuoted `json:"iat"`
	}
	if err := json.Unmarshal(text, &dates); err != nil {
		return err
	}
	type plain claims // without this method
	return json.Unmarshal(text, (*plain)(c))
}

type notQuoted struct{}

func (notQuoted) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return errors.New("must be a number")
	}
	return nil
}

// owner returns the owner of a token. Each token without a subject counts as an owner of its own, because nothing shows
// that two of them belong together.
func (c claims) owner(token string) string {
	if c.Subject != "" {
		return fmt.Sprintf("jwt %q %q", c.Issuer, c.Subject)
	}
	signed := sha256.Sum256([]byte(token[:strings.LastIndexByte(token, '.')]))
	return "jwt " + hex.EncodeToString(signed[:])
}

// claim is the claim "carillon": the rights of the owner, as patterns, and what others see of the owner.
type claim struct {
	Subscribe []string        `json:"subscribe,omitempty"`
	Publish   []string        `json:"publish,omitempty"`
	Presence  []string        `json:"presence,omitempty"`
	Info      json.RawMessage `json:"info,omitempty"`
}

// reasonOf converts an error of the JWT library, which may contain parts of the token, to one that does not.
func reasonOf(err error) error {
	if unavailable, ok := errors.AsType[*access.UnavailableError](err); ok {
		return unavailable
	}
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, access.ErrUnavailable):
		return access.ErrUnavailable
	case errors.Is(err, jwt.ErrTokenExpired):
		return access.ErrExpiredToken
	}
	for _, reason := range []struct {
		err  error
		text string
	}{
		{jwt.ErrTokenMalformed, "not a JWT with the expected claims"},
		{jwt.ErrTokenUnverifiable, "signed with an unknown key"},
		{jwt.ErrTokenSignatureInvalid, "wrong signature"},
		{jwt.ErrTokenRequiredClaimMissing, "a required claim is missing"},
		{jwt.ErrTokenInvalidAudience, "issued for another audience"},
		{jwt.ErrTokenInvalidIssuer, "issued by another issuer"},
		{jwt.ErrTokenNotValidYet, "not valid yet"},
		{jwt.ErrTokenUsedBeforeIssued, "issued in the future"},
	} {
		if errors.Is(err, reason.err) {
			return fmt.Errorf("%w: %s", access.ErrInvalidToken, reason.text)
		}
	}
	return access.ErrInvalidToken
}
