package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// minWait prevents requests without a pause to a server that sends "retry: 0".
const minWait = 100 * time.Millisecond

// backoff computes how long to wait before each attempt to connect.
type backoff struct {
	base  time.Duration // the last retry time of the server, or the configured one
	limit time.Duration // bound of the growth; the server may ask for more
	tries int           // attempts since the last successful one
}

// next returns the wait after an attempt that ended with an error: the base, doubled for each attempt since the last
// successful one, plus up to a quarter, so that clients that were disconnected together do not reconnect together.
func (b *backoff) next(err error) time.Duration {
	wait := max(b.base, minWait)
	for i := 0; i < b.tries && wait < b.limit; i++ {
		wait = min(2*wait, b.limit)
	}
	b.tries++
	if problem, ok := errors.AsType[*ProblemError](err); ok {
		wait = max(wait, problem.RetryAfter)
	}
	return wait + rand.N(wait/4+1)
}

// pause waits until the time has passed or the context ends.
func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
