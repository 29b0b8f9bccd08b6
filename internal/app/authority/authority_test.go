package authority_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carillon/internal/app/authority"
	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/eventtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func grant(texts ...string) access.Grant { return access.Allow(eventtest.MustPatterns(texts...)...) }

// verifier takes a token for its subject and grants everybody the same.
type verifier struct {
	grant   access.Grant
	err     error // of Recheck
	changed chan struct{}
}

func (v *verifier) Authenticate(_ context.Context, token string) (access.Rights, error) {
	if token == "" {
		return access.Rights{}, access.ErrInvalidToken
	}
	return access.Rights{Subscribe: v.grant, Credential: &access.Credential{Subject: token}}, nil
}

func (v *verifier) Anonymous() access.Rights                         { return access.Rights{Subscribe: v.grant} }
func (v *verifier) Recheck(*access.Credential) (access.Grant, error) { return v.grant, v.err }
func (v *verifier) Changed() <-chan struct{}                         { return v.changed }

// engine is a set of streams by name.
type engine struct {
	streams map[string]pubsub.Subscription
	ended   map[string]pubsub.EndReason
}

func (e *engine) End(ctx context.Context, why pubsub.EndReason, selects func(pubsub.Subscription) bool) (int, error) {
	return e.Enforce(ctx, func(sub pubsub.Subscription) pubsub.EndReason {
		if selects(sub) {
			return why
		}
		return ""
	})
}

func (e *engine) Enforce(_ context.Context, judge func(pubsub.Subscription) pubsub.EndReason) (n int, err error) {
	for name, sub := range e.streams {
		if why := judge(sub); why != "" {
			e.ended[name] = why
			delete(e.streams, name)
			n++
		}
	}
	return n, nil
}

func (e *engine) open(name, topic string, c *access.Credential, rights access.Grant) {
	e.streams[name] = pubsub.Subscription{Patterns: eventtest.MustPatterns(topic), Grant: rights, Credential: c}
}

type observer struct{ ended []int }

func (o *observer) RightsChanged(ended int, err error) {
	if err == nil {
		o.ended = append(o.ended, ended)
	}
}

func newAuthority() (*authority.Authority, *verifier, *engine, *observer) {
	v := &verifier{changed: make(chan struct{}, 1), grant: grant("**")}
	e := &engine{streams: map[string]pubsub.Subscription{}, ended: map[string]pubsub.EndReason{}}
	o := &observer{}
	return authority.New(v, e, o), v, e, o
}

func TestAChangeEndsTheStreamsThatLoseSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, v, e, o := newAuthority()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { assert.NoError(t, a.Run(ctx)) }()
		for _, topic := range []string{"clock", "news/today", "news/*", "**"} {
			e.open(topic, topic, nil, grant("**"))
		}
		e.open("narrow", "**", nil, grant("clock"))
		v.grant = grant("clock", "news/**")
		v.changed <- struct{}{}
		synctest.Wait()
		assert.Equal(t, map[string]pubsub.EndReason{"**": pubsub.EndRights}, e.ended)
		assert.Equal(t, []int{1}, o.ended)

		v.err = access.ErrUnavailable // the keys are not known yet
		v.changed <- struct{}{}
		synctest.Wait()
		assert.Len(t, e.ended, 1)
		v.err = access.ErrInvalidToken
		v.changed <- struct{}{}
		synctest.Wait()
		assert.Empty(t, e.streams)
		assert.Equal(t, []int{1, 0, 4}, o.ended)
	})
}

func TestExpel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, e, _ := newAuthority()
		open := func() {
			e.open("anonymous", "a", nil, grant("**"))
			for _, subject := range []string{"ada", "ben"} {
				e.open(subject, "a", &access.Credential{Subject: subject}, grant("**"))
			}
			clear(e.ended)
		}
		adaOnly := map[string]pubsub.EndReason{"ada": pubsub.EndClosed}
		denied := func(token string) error {
			_, err := a.Authenticate(t.Context(), token)
			return err
		}
		expel := func(period time.Duration) {
			t.Helper()
			open()
			n, err := a.Expel(t.Context(), "ada", period)
			require.NoError(t, err)
			assert.Equal(t, 1, n)
			assert.Equal(t, adaOnly, e.ended)
		}
		expel(0)
		require.NoError(t, denied("ada"), "she may come back")

		expel(time.Minute)
		require.ErrorIs(t, denied("ada"), access.ErrDenied)
		require.NoError(t, denied("ben"))
		time.Sleep(20 * time.Second)
		err, ok := errors.AsType[*access.DeniedError](denied("ada"))
		require.True(t, ok)
		assert.Equal(t, 40*time.Second, err.Wait)
		time.Sleep(40 * time.Second)
		require.NoError(t, denied("ada"))

		expel(time.Hour)
		expel(0)
		require.NoError(t, denied("ada"), "the denial was lifted")
	})
}

func TestTheErrorOfATokenComesFirst(t *testing.T) {
	a, _, _, _ := newAuthority()
	_, err := a.Authenticate(t.Context(), "")
	require.ErrorIs(t, err, access.ErrInvalidToken)
}

func TestDenialsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _, _ := newAuthority()
		expel := func(subject string, period time.Duration) error {
			_, err := a.Expel(t.Context(), subject, period)
			return err
		}
		for i := range 10_000 {
			require.NoError(t, expel(fmt.Sprint(i), time.Duration(1+i%2)*time.Minute))
		}
		require.ErrorIs(t, expel("one more", time.Minute), authority.ErrTooManyDenied)
		require.NoError(t, expel("5", time.Minute), "it is in the table")
		time.Sleep(time.Minute)
		require.NoError(t, expel("one more", time.Minute), "in place of those that are over")
		_, err := a.Authenticate(t.Context(), "1")
		require.ErrorIs(t, err, access.ErrDenied, "which 1 is not")
	})
}
