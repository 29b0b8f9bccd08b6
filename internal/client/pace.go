package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// leastWait keeps a server that says "retry: 0" from being asked without a pause.
const leastWait = 100 * time.Millisecond

// pace says how long to wait before each attempt to connect.
type pace struct {
	base  time.Duration // what the server told last, or the configured time
	most  time.Duration // what failures make it grow to; a server may ask for more
	tries int           // attempts since the last stream
}

// next is the wait after an attempt that ended with an error: the base, doubled for each attempt since the last
// stream, and up to a quarter more, so that many clients that were cut at once do not come back at once.
func (p *pace) next(why error) time.Duration {
	wait := max(p.base, leastWait)
	for i := 0; i < p.tries && wait < p.most; i++ {
		wait = min(2*wait, p.most)
	}
	p.tries++
	if problem, ok := errors.AsType[*ProblemError](why); ok {
		wait = max(wait, problem.RetryAfter)
	}
	return wait + rand.N(wait/4+1)
}

// pause waits, or ends with the context.
func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
