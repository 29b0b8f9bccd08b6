package tokens_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
)

// Requests with a new key and with made-up ones share a fetch; requests with known keys do not wait for it.
func TestUnknownKeysShareAFetch(t *testing.T) {
	before, after := newPair(t, "EdDSA"), newPair(t, "EdDSA")
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(t, keys(t, before.named("1")))
		v := server.run(t, server.config("EdDSA"))
		set := keys(t, before.named("1"), after.named("2"))
		server.now(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(3 * time.Second)
			set(w, r)
		})
		fresh := after.as(t, "2")
		start := time.Now()
		var requests sync.WaitGroup
		for n := range 100 {
			invented := before.as(t, fmt.Sprint("invented ", n))
			requests.Go(func() { assert.NoError(t, check(t, v, fresh)) })
			requests.Go(func() { assert.Error(t, check(t, v, invented)) })
		}
		synctest.Wait()
		require.NoError(t, check(t, v, before.as(t, "1")))
		require.Zero(t, time.Since(start), "a known key waits for nothing")
		requests.Wait()
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Len(t, server.askedAt(), 1+1)
	})
}

// A request waits no longer than its context and the time-out allow.
func TestWaitingForKeysIsBounded(t *testing.T) {
	p := newPair(t, "EdDSA")
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(t, keys(t, p.named("1")))
		v := server.run(t, server.config("EdDSA"))
		server.now(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		token := p.as(t, "2")

		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := v.Authenticate(ctx, token)
		require.ErrorIs(t, err, access.ErrUnavailable)
		require.Equal(t, time.Second, time.Since(start))

		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		_, err = v.Authenticate(ctx, token)
		require.Equal(t, context.Canceled, err)
		require.Equal(t, 2*time.Second, time.Since(start))

		require.ErrorIs(t, check(t, v, token), access.ErrUnavailable)
		require.Equal(t, 7*time.Second, time.Since(start))
	})
}
