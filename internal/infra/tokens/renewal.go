package tokens

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"carillon/internal/domain/access"
)

// jwksWait is the maximum time a request waits for keys to be fetched.
const jwksWait = 5 * time.Second

// renewal lets requests that name an unknown key wait for a shared fetch. Its lock is never held during a fetch.
type renewal struct {
	wanted  chan struct{} // receives when a fetch is pending
	allowed *rate.Limiter // of fetches for unknown keys

	mu      sync.Mutex
	current *fetch // in progress
	pending *fetch // requested and not begun
	stopped bool
}

// fetch is the result of a fetch. err is set before done is closed.
type fetch struct {
	done chan struct{}
	err  error
}

// wait waits for a fetch and returns nil when it succeeded. begun reports whether the fetch began before the call, so that
// its keys may be older than the token. It returns at once when changed, which is called with the lock held, reports that
// a fetch has just ended. Its errors match [access.ErrUnavailable] or [context.Canceled].
func (r *renewal) wait(ctx context.Context, changed func() bool) (begun bool, err error) {
	r.mu.Lock()
	if changed() {
		r.mu.Unlock()
		return true, nil
	}
	f, begun := r.current, r.current != nil
	if !begun {
		if f, err = r.request(); err != nil {
			r.mu.Unlock()
			return false, err
		}
	}
	r.mu.Unlock()

	timeout := time.NewTimer(jwksWait)
	defer timeout.Stop()
	select {
	case <-f.done:
		if f.err == nil {
			return begun, nil
		}
	case <-timeout.C:
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return begun, ctx.Err()
		}
	}
	return begun, &access.UnavailableError{Wait: jwksRetry}
}

// request returns the pending fetch, or requests one if the rate allows it. The lock is held.
func (r *renewal) request() (*fetch, error) {
	if r.stopped { // the keys were replaced by a reload, or the server stops
		return nil, &access.UnavailableError{Wait: jwksFirstRetry}
	}
	if r.pending != nil {
		return r.pending, nil
	}
	reservation := r.allowed.Reserve()
	if wait := reservation.Delay(); wait > 0 {
		reservation.Cancel()
		return nil, &access.UnavailableError{Wait: wait}
	}
	r.pending = &fetch{done: make(chan struct{})}
	select {
	case r.wanted <- struct{}{}:
	default:
	}
	return r.pending, nil
}

// begin makes the pending fetch, or one that nobody requested, the current one.
func (r *renewal) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current, r.pending = r.pending, nil
	if r.current == nil {
		r.current = &fetch{done: make(chan struct{})}
	}
	select { // this fetch serves the request
	case <-r.wanted:
	default:
	}
}

// end ends the current fetch.
func (r *renewal) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current.err = err
	close(r.current.done)
	r.current = nil
}

// stop ends the pending fetch, which will not begin.
func (r *renewal) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.pending != nil {
		r.pending.err = access.ErrUnavailable
		close(r.pending.done)
		r.pending = nil
	}
}
