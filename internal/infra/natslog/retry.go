package natslog

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// retryLimit is for how long an append is tried again of which nothing was stored: a leader is being elected, a place is
	// taken, the connection is being made anew.
	retryLimit = time.Second
	// keyedRetryLimit is for how long events with keys are tried again whose answer was lost.
	keyedRetryLimit = 5 * time.Second
	// firstPause is the pause after the first try; it doubles up to longestPause.
	firstPause   = 5 * time.Millisecond
	longestPause = 200 * time.Millisecond
)

// again waits before the next try, or returns the error of the append. The events are keyed if trying again cannot store
// any of them twice.
func (a *appending) again(ctx context.Context, err error, keyed bool) error {
	outcome := outcomeOf(err)
	if outcome == outcomeRefused {
		return a.failure(err)
	}
	if outcome == outcomeUnknown {
		a.noAnswer = true
	}
	limit := retryLimit
	if a.noAnswer {
		limit = keyedRetryLimit
	}
	if a.noAnswer && !keyed || time.Since(a.started) > limit || a.log.disconnectedLong() {
		return a.failure(err)
	}
	if outcome == outcomeUnknown {
		return ctx.Err() // the try has taken its time
	}
	a.pause = min(max(2*a.pause, firstPause), longestPause)
	select {
	case <-time.After(a.pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failure returns the error of an append whose last try failed with err.
func (a *appending) failure(err error) error {
	switch {
	case a.noAnswer:
		return unknown(err)
	case errors.Is(err, nats.ErrMaxPayload):
		return err // trying again does not help
	}
	return unavailable(err)
}
