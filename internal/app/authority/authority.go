// Package authority decides who may do what at this moment. It verifies tokens, keeps denied subjects out, and ends the
// streams whose rights are gone after the rules or the keys have changed.
package authority

import (
	"context"
	"errors"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
)

// Verifier verifies tokens by the rules and keys in force. Its errors match those of package access.
type Verifier interface {
	// Authenticate returns the rights of a token.
	Authenticate(ctx context.Context, token string) (access.Rights, error)
	// Anonymous returns the rights of a client without a token.
	Anonymous() access.Rights
	// Recheck returns what the owner of a credential may subscribe to now; nil is a client without a token.
	Recheck(c *access.Credential) (access.Grant, error)
	// Changed receives after the rules or the keys have changed.
	Changed() <-chan struct{}
}

// Engine ends streams.
type Engine interface {
	End(ctx context.Context, why pubsub.EndReason, selects func(pubsub.Subscription) bool) (int, error)
	Enforce(ctx context.Context, judge func(pubsub.Subscription) pubsub.EndReason) (int, error)
}

// Observer is notified of what was done to streams. Its methods must not block.
type Observer interface {
	// RightsChanged reports how many streams were ended because the rules or keys changed, or why they could not be checked.
	RightsChanged(ended int, err error)
}

// enforceTimeout bounds how long the streams are checked after a change. A shard needs milliseconds.
const enforceTimeout = 10 * time.Second

// Authority decides. Its methods may be called concurrently.
type Authority struct {
	verifier Verifier
	engine   Engine
	observer Observer
	denied   *denials
}

// New returns an authority that denies nobody. It starts no goroutine.
func New(verifier Verifier, engine Engine, observer Observer) *Authority {
	return &Authority{verifier: verifier, engine: engine, observer: observer, denied: newDenials()}
}

// Authenticate returns the rights of a token. Its errors are those of the [Verifier], or match [access.ErrDenied].
func (a *Authority) Authenticate(ctx context.Context, token string) (access.Rights, error) {
	rights, err := a.verifier.Authenticate(ctx, token)
	if err != nil {
		return access.Rights{}, err
	}
	if left := a.denied.left(subjectOf(rights.Credential)); left > 0 {
		return access.Rights{}, &access.DeniedError{Wait: left}
	}
	return rights, nil
}

// Anonymous returns the rights of a client without a token.
func (a *Authority) Anonymous() access.Rights { return a.verifier.Anonymous() }

// Run checks all streams after each change of the rules or keys, until the context ends; then it returns nil.
func (a *Authority) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.verifier.Changed():
		}
		checking, cancel := context.WithTimeout(ctx, enforceTimeout)
		ended, err := a.engine.Enforce(checking, a.judge)
		cancel()
		if ctx.Err() == nil {
			a.observer.RightsChanged(ended, err)
		}
	}
}

// Expel ends the streams of a subject and returns how many there were. For the period its tokens are then refused, on
// this node; zero refuses none and lifts an earlier denial. Errors match [ErrTooManyDenied] or are the context's.
func (a *Authority) Expel(ctx context.Context, subject string, period time.Duration) (int, error) {
	if err := a.denied.set(subject, period); err != nil {
		return 0, err
	}
	if period > 0 {
		// A request may have been authenticated just before and open its stream just after. It is judged, too.
		return a.engine.Enforce(ctx, a.judge)
	}
	return a.engine.End(ctx, pubsub.EndClosed, func(sub pubsub.Subscription) bool { return subjectOf(sub.Credential) == subject })
}

// judge returns why a stream may not go on, or "".
func (a *Authority) judge(sub pubsub.Subscription) pubsub.EndReason {
	if a.denied.left(subjectOf(sub.Credential)) > 0 {
		return pubsub.EndClosed
	}
	now, err := a.verifier.Recheck(sub.Credential)
	switch {
	case errors.Is(err, access.ErrUnavailable):
		return "" // the keys are about to be fetched, which is a change again
	case err != nil:
		return pubsub.EndRights
	}
	for _, pattern := range sub.Patterns {
		if sub.Grant.Reduced(now, pattern) {
			return pubsub.EndRights
		}
	}
	return ""
}

// subjectOf returns the subject that a token named, or "".
func subjectOf(c *access.Credential) string {
	if c == nil {
		return ""
	}
	return c.Subject
}
