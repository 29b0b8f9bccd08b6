package tokens

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"carillon/internal/domain/access"
)

const (
	jwksTimeout = 10 * time.Second
	jwksBytes   = 1 << 20
	// jwksRetry is the minimum time before keys are fetched again after a failure, or after a token named an unknown key:
	// anybody can send such a token.
	jwksRetry = 10 * time.Second
	// jwksFirstRetry is the first wait after a failure while there are no keys at all; it doubles up to jwksRetry.
	jwksFirstRetry = time.Second
)

// errNoUsableKey means that a set was read and is in use, but has no key for the algorithm.
var errNoUsableKey = errors.New("no key is usable")

// jwks is a set of keys at a URL. While fetching fails, the last set that was read stays in use.
type jwks struct {
	url       string
	algorithm string
	refresh   time.Duration
	client    *http.Client
	set       atomic.Pointer[keySet]
	failed    func(error)
	changed   func() // called after a fetch that may have taken keys away
	renewal   renewal
}

func newJWKS(cfg JWT, failed func(error), changed func()) *jwks {
	return &jwks{
		url:       cfg.JWKSURL,
		algorithm: cfg.Algorithm,
		refresh:   cfg.JWKSRefresh,
		client:    &http.Client{Timeout: jwksTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		failed:    failed,
		changed:   changed,
		renewal:   renewal{wanted: make(chan struct{}, 1), allowed: rate.NewLimiter(rate.Every(jwksRetry), 1)},
	}
}

// run fetches the set regularly until the context ends.
func (j *jwks) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer j.client.CloseIdleConnections()
	defer j.renewal.stop()
	retry := jwksFirstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-j.renewal.wanted:
		}
		next := j.refresh
		j.renewal.begin()
		err := j.fetch(ctx)
		if errors.Is(err, errNoUsableKey) {
			j.renewal.end(nil) // the set was read, so it is known which keys it has
		} else {
			j.renewal.end(err)
		}
		if err != nil && ctx.Err() == nil {
			next = min(retry, j.refresh)
			retry = min(2*retry, jwksRetry)
			j.failed(err)
		}
		if j.set.Load() != nil {
			retry = jwksRetry
		}
		timer.Reset(next)
	}
}

// inherit takes over the keys of a previous set with the same URL and algorithm, until the first fetch.
func (j *jwks) inherit(before *jwks) {
	if j.url == before.url && j.algorithm == before.algorithm {
		j.set.Store(before.set.Load())
	}
}

func (j *jwks) fetch(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url, nil)
	if err != nil {
		return fmt.Errorf("fetching keys: %w", err)
	}
	response, err := j.client.Do(request)
	if err != nil {
		if failed, is := errors.AsType[*url.Error](err); is {
			err = failed.Err // without the URL, which may contain a secret
		}
		return fmt.Errorf("fetching keys: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("fetching keys: status %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, jwksBytes+1))
	switch {
	case err != nil:
		return fmt.Errorf("reading keys: %w", err)
	case len(body) > jwksBytes:
		return fmt.Errorf("reading keys: more than %d bytes", jwksBytes)
	}
	set, err := readKeySet(j.algorithm, body)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	// Even if it is empty: keys that were removed must not be accepted any longer.
	if before := j.set.Swap(set); before == nil || !before.names.within(set.names) {
		j.changed()
	}
	if len(set.names) == 0 {
		return fmt.Errorf("reading keys: %w for %s", errNoUsableKey, j.algorithm)
	}
	return nil
}

// key returns the key that a token names. It waits for a fetch when there is no such key: the token may be signed with a
// new one. The key is unknown only when a fetch that began after the call did not return it.
func (j *jwks) key(ctx context.Context, token *jwt.Token) (any, error) {
	for rounds := 0; ; rounds++ {
		set := j.set.Load()
		if set == nil {
			return nil, access.ErrUnavailable
		}
		key, err := set.keys.Keyfunc(token)
		if name, _ := token.Header["kid"].(string); name == "" || !errors.Is(err, jwkset.ErrKeyNotFound) || rounds == 2 {
			return key, err
		}
		switch begun, waitErr := j.renewal.wait(ctx, func() bool { return j.set.Load() != set }); {
		case waitErr != nil:
			return nil, waitErr
		case !begun:
			rounds = 1 // this fetch is conclusive
		}
	}
}
