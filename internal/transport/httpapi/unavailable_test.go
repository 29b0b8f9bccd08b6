package httpapi_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// faultyLog is a log whose appends and looks fail with an error, if there is one. It can also end its follower.
type faultyLog struct {
	pubsub.Log
	fault atomic.Pointer[error]
	leave atomic.Pointer[context.CancelFunc] // ends the follower
}

func (l *faultyLog) fail(err error) { l.fault.Store(&err) }

// goAway makes the log unavailable, for its follower too.
func (l *faultyLog) goAway() {
	l.fail(pubsub.ErrUnavailable)
	if leave := l.leave.Load(); leave != nil {
		(*leave)()
	}
}

func (l *faultyLog) Follow(ctx context.Context, after event.Position, deliver func(uint64, []event.Entry)) error {
	following, leave := context.WithCancel(ctx)
	defer leave()
	l.leave.Store(&leave)
	err := l.Log.Follow(following, after, deliver)
	if err == nil && ctx.Err() == nil {
		err = pubsub.ErrUnavailable
	}
	return err
}

func (l *faultyLog) Append(ctx context.Context, events []event.Event) ([]pubsub.Appended, error) {
	if err := l.fault.Load(); err != nil {
		return nil, *err
	}
	return l.Log.Append(ctx, events)
}

func (l *faultyLog) Look(ctx context.Context) (pubsub.Extent, error) {
	if err := l.fault.Load(); err != nil {
		return pubsub.Extent{}, *err
	}
	return l.Log.Look(ctx)
}

// faulty starts a server whose log can be made to fail.
func faulty(t *testing.T) (*server, *faultyLog) {
	t.Helper()
	log := &faultyLog{}
	s := serve(t, func(set *settings) {
		set.log = func(l pubsub.Log) pubsub.Log { log.Log = l; return log }
	})
	return s, log
}

// While the log is unavailable, publishes fail at once with a time to come back; afterwards they succeed again.
func TestLogUnavailable(t *testing.T) {
	s, log := faulty(t)
	require.Equal(t, http.StatusCreated, s.post("topic=a", "one").status)
	assert.Equal(t, http.StatusOK, s.do(http.MethodGet, "/readyz", "").status)
	log.fail(pubsub.ErrUnavailable)
	for range 3 {
		r := s.post("topic=a", "two")
		assert.Equal(t, http.StatusServiceUnavailable, r.status)
		assert.Contains(t, r.body, `"code":"log_unavailable"`)
		assert.Equal(t, "2", r.header.Get("Retry-After"))
	}
	assert.Equal(t, http.StatusOK, s.do(http.MethodGet, "/readyz", "").status, "an outage that is short is not the load balancer's business")
	log.fault.Store(nil)
	require.Eventually(t, func() bool { return s.post("topic=a", "three").status == http.StatusCreated }, waitTimeout, 50*time.Millisecond)
}

// A publish whose answer is lost may have happened, and the client is told so.
func TestUnknownOutcome(t *testing.T) {
	s, log := faulty(t)
	log.fail(pubsub.ErrUnknownOutcome)
	r := s.post("topic=a", "one", "Idempotency-Key", "k")
	assert.Equal(t, http.StatusServiceUnavailable, r.status)
	assert.Contains(t, r.body, `"code":"unknown_outcome"`)
	assert.Equal(t, "2", r.header.Get("Retry-After"))
	r = s.post("topic=a", "one", "Idempotency-Key", "k")
	assert.Contains(t, r.body, `"code":"log_unavailable"`, "this one was not sent to the log")
}

// A node that still reads the history is not ready.
func TestNotReadyBeforeTheHistoryIsRead(t *testing.T) {
	s := serve(t, func(set *settings) {
		set.engine.Fill = 10
		set.log = func(l pubsub.Log) pubsub.Log {
			_, err := l.Append(t.Context(), []event.Event{{Topics: []event.Topic{event.MustTopic("a")}}})
			require.NoError(t, err)
			return idleLog{l}
		}
	})
	r := s.do(http.MethodGet, "/readyz", "")
	assert.Equal(t, http.StatusServiceUnavailable, r.status)
	assert.Contains(t, r.body, "reading the history, 1 events are left")
}

// idleLog delivers nothing.
type idleLog struct{ pubsub.Log }

func (idleLog) Follow(ctx context.Context, _ event.Position, _ func(uint64, []event.Entry)) error {
	<-ctx.Done()
	return nil
}
