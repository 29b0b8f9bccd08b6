package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"carillon/internal/domain/event"
	"carillon/internal/transport/sse"
)

// Errors that end a connection. [SubscribeRequest.Waiting] is called with the first two; [Client.Subscribe] returns the last.
var (
	ErrEnded     = errors.New("the server ended the stream")
	ErrSilent    = errors.New("the server is silent")
	ErrNotStream = errors.New("the response is not an event stream")
)

// SubscribeRequest is what to subscribe to, and from which position. Of LastEventID, Latest, Last and Since, the first
// one that is set applies.
type SubscribeRequest struct {
	Topics      []string  // topics and patterns; none: the clock's topic
	Transport   Transport // "" is SSE
	JSON        bool      // ask for topics and times, which SSE does not have otherwise
	LastEventID string    // start after this event
	Latest      bool      // start with the newest event of each topic
	Last        int       // start with the newest Last events
	Since       string    // start with events since an RFC 3339 time, or of a duration such as "5m"

	Opened  func()                              // called each time the server has opened a stream; may be nil
	Waiting func(why error, wait time.Duration) // called before each wait to reconnect; may be nil
}

// Subscribe calls handle with every event, one after the other, until the context ends, and then returns nil. Control
// events are delivered unchanged, with the types [sse.TypeReset] and [sse.TypeGoaway].
//
// It reconnects after interruptions, temporary refusals (429, 5xx) and silence. Before that it waits for the time that the
// server has sent plus a random part; the wait doubles while connecting fails. It returns a [*ProblemError] for a
// permanent refusal, [ErrNotStream], [sse.ErrTooLarge], or the error of handle.
func (c *Client) Subscribe(ctx context.Context, s SubscribeRequest, handle func(Event) error) error {
	if !headerSafe(s.LastEventID) {
		return &event.InvalidError{Field: "last_event_id", Problem: "contains control characters, or begins or ends with a space"}
	}
	f := follower{client: c, request: s, handle: handle, backoff: backoff{base: c.cfg.Retry, limit: c.cfg.MaxRetry}}
	for ctx.Err() == nil {
		why := f.stream(ctx)
		if final, ok := errors.AsType[*finalError](why); ok {
			return final.error
		}
		f.wait(ctx, why)
	}
	return nil
}

// finalError is an error that another attempt would repeat.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// follower is a subscription over all its connections.
type follower struct {
	client  *Client
	request SubscribeRequest // LastEventID is updated
	handle  func(Event) error
	backoff backoff
}

// stream reads one connection until it ends, and returns why it ended.
func (f *follower) stream(ctx context.Context) error {
	watching, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &watch{time.AfterFunc(f.client.cfg.Timeout, func() { cancel(ErrSilent) })}
	defer w.stop()

	in, err := f.connect(watching, w)
	if err != nil {
		return causeOf(watching, err)
	}
	defer in.close()
	w.stop()
	f.backoff.tries = 0
	if f.request.Opened != nil {
		f.request.Opened()
	}
	defer func() {
		left := in.mark()
		f.resumeAfter(left.position)
		if left.retry >= 0 {
			f.backoff.base = time.Duration(left.retry) * time.Millisecond
		}
	}()
	for {
		e, err := in.next(watching)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF):
			return causeOf(watching, ErrEnded)
		case errors.Is(err, sse.ErrTooLarge):
			return &finalError{err}
		case err != nil:
			return causeOf(watching, err)
		}
		if err := f.handle(e); err != nil {
			return &finalError{err}
		}
	}
}

// wait waits before the next connection.
func (f *follower) wait(ctx context.Context, why error) {
	if ctx.Err() != nil {
		return
	}
	wait := f.backoff.next(why)
	if f.request.Waiting != nil {
		f.request.Waiting(why, wait)
	}
	pause(ctx, wait)
}

// refusalOf returns the error of a response, and nil for one of the media type that was asked for.
func refusalOf(resp *http.Response, want string) error {
	if resp.StatusCode != http.StatusOK {
		p := problemOf(resp)
		if p.passes() {
			return p
		}
		return &finalError{p}
	}
	kind := resp.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(kind); err != nil || media != want {
		return &finalError{fmt.Errorf("%w: content type %q", ErrNotStream, kind)}
	}
	return nil
}

// resumeAfter sets the position to resume after. It ignores an id that a header cannot contain.
func (f *follower) resumeAfter(id string) {
	if headerSafe(id) {
		f.request.LastEventID = id
	}
}

// causeOf returns the cause of the cancellation if the context was cancelled, and err otherwise.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// watch ends a connection whose server is silent for too long.
type watch struct{ timer *time.Timer }

// within ends the connection after a time, unless it is stopped or called again before.
func (w *watch) within(limit time.Duration) { w.timer.Reset(limit) }
func (w *watch) stop()                      { w.timer.Stop() }

// watched is a body with a time limit for each read. The time between reads does not count.
type watched struct {
	io.Reader
	watch   *watch
	silence time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	w.watch.within(w.silence)
	defer w.watch.stop()
	return w.Reader.Read(p)
}
