package pubsub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// outageGrace is how long the log may be unavailable before the node is no longer ready: long enough for the log's
	// own failover, after which all nodes would otherwise have been taken out of service at once for nothing.
	outageGrace = 10 * time.Second
	// firstLook is how long after a failure the log is looked at for the first time.
	firstLook = 100 * time.Millisecond
	// lookTimeout bounds one look at the log.
	lookTimeout = 2 * time.Second
	// followWait bounds how long the follower may take to receive what the log had when it was looked at, and
	// followCheck is how often this is checked.
	followWait  = 2 * time.Second
	followCheck = 10 * time.Millisecond
)

// outage is the state of a log that cannot be reached or cannot take events.
type outage struct {
	began chan struct{} // signalled at the beginning of an outage

	mu    sync.Mutex
	since time.Time // zero while the log is available
	cause error
}

// begin notes a failure. It reports whether an outage began with it.
func (o *outage) begin(cause error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := o.since.IsZero()
	if first {
		o.since = time.Now()
		o.began <- struct{}{} // received before the next outage can begin
	}
	o.cause = cause
	return first
}

// end ends the outage and returns how long it was.
func (o *outage) end() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	lasted := time.Since(o.since)
	o.since, o.cause = time.Time{}, nil
	return lasted
}

// refusal returns an error that matches [ErrUnavailable] during an outage. It does not match [ErrUnknownOutcome], because
// what is refused was not sent to the log.
func (o *outage) refusal() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return nil
	}
	lasted := fmt.Errorf("%w for %s", ErrUnavailable, time.Since(o.since).Round(time.Second))
	if cause := causeText(o.cause); cause != "" {
		return fmt.Errorf("%w: %s", lasted, cause)
	}
	return lasted
}

// causeText returns the text of an outage's cause without what a refusal says itself, or must not say: the outcome that
// was unknown is that of an earlier publish.
func causeText(cause error) string {
	text := cause.Error()
	for _, prefix := range []string{ErrUnknownOutcome.Error(), ErrUnavailable.Error()} {
		text = strings.TrimPrefix(strings.TrimPrefix(text, prefix), ": ")
	}
	return text
}

// lasts returns how long the outage lasts already; zero without an outage.
func (o *outage) lasts() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return 0
	}
	return time.Since(o.since)
}

// noteFailure begins an outage if the error means that the log is unavailable.
func (e *Engine) noteFailure(err error) {
	if errors.Is(err, ErrUnavailable) && e.outage.begin(err) {
		e.observer.LogUnavailable(err)
	}
}

// noteReadFailure begins an outage if a read failed because the log is unavailable. A read can fail while the log takes
// events, for example because of one damaged page or one replica that does not answer. Publishing goes on then.
func (e *Engine) noteReadFailure(ctx context.Context, cause error) {
	if ctx.Err() != nil || !e.LogAvailable() {
		return
	}
	if _, err := e.look(ctx); err != nil {
		e.noteFailure(err)
		return
	}
	e.observer.ReadFailed(cause)
}

// look asks the log what it keeps. It fails with [ErrUnavailable], also when the log does not answer in time, or with the
// context's error.
func (e *Engine) look(ctx context.Context) (Extent, error) {
	looking, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	extent, err := e.log.Look(looking)
	if err != nil && looking.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: no answer within %s", ErrUnavailable, lookTimeout)
	}
	return extent, err
}

// watchOutages ends each outage once the log can be used again and the follower has received everything it missed.
func (e *Engine) watchOutages(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.outage.began:
		}
		for delay := firstLook; ; delay = retryDelay {
			select {
			case <-ctx.Done():
				return
			case <-time.After(delay):
			}
			if e.recovered(ctx) {
				break
			}
		}
		e.observer.LogAvailable(e.outage.end())
	}
}

// recovered reports whether the log takes events and the follower has received all there were when it was looked at. The
// follower is waited for, because other nodes may publish all the time.
func (e *Engine) recovered(ctx context.Context) bool {
	extent, err := e.look(ctx)
	if err != nil {
		e.noteFailure(err)
		return false
	}
	for limit := time.Now().Add(followWait); time.Now().Before(limit); {
		if e.following.Load() && extent.Epoch == e.identity.current() && e.newest.Load() >= extent.Newest {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(followCheck):
		}
	}
	return false
}

// LogAvailable reports whether the log can be reached and takes events, as far as is known.
func (e *Engine) LogAvailable() bool { return e.outage.lasts() == 0 }

// Ready returns nil if the engine can serve streams: it has received all that the log kept at the start, and the log is
// available or was until a short time ago, and the engine does not drain. Errors match [ErrDraining] or [ErrUnavailable].
func (e *Engine) Ready() error {
	if e.Draining() {
		return ErrDraining
	}
	if e.outage.lasts() > outageGrace {
		return e.outage.refusal()
	}
	if newest, head := e.newest.Load(), e.head.Load(); newest < head {
		return fmt.Errorf("%w: reading the history, %d events are left", ErrUnavailable, head-newest)
	}
	return nil
}
