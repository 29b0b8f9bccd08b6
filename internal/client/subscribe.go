package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"carillon/internal/domain/event"
	"carillon/internal/transport/sse"
)

// Errors that end a stream. The first two are told to [SubscribeRequest.Waiting], the last is for good.
var (
	ErrEnded     = errors.New("the server ended the stream")
	ErrSilent    = errors.New("the server has gone silent")
	ErrNotStream = errors.New("the answer is no event stream")
)

// SubscribeRequest is what to listen to, and from where. Of LastEventID, Last and Since the first that is set counts.
type SubscribeRequest struct {
	Topics      []string // topics and patterns; none is the clock's
	LastEventID string   // start after this event
	Last        int      // start with the newest so many events
	Since       string   // start with events since an RFC 3339 time, or of a duration such as "5m"

	Opened  func()                              // called each time the server has begun a stream; may be nil
	Waiting func(why error, wait time.Duration) // called before each wait to reconnect; may be nil
}

// Subscribe hands every event to handle, one after the other, until the context ends, and then answers nil. Control
// events come as they are, with the types [sse.TypeReset] and [sse.TypeGoaway].
//
// Cuts, refusals that pass (429, 5xx) and silence make it reconnect, after the time the server told and a random part
// more; the wait doubles while connecting fails. It ends with a [*ProblemError] for a refusal that stands, with
// [ErrNotStream], with [sse.ErrTooLarge], or with the error of handle.
func (c *Client) Subscribe(ctx context.Context, s SubscribeRequest, handle func(sse.Message) error) error {
	if !headerSafe(s.LastEventID) {
		return &event.InvalidError{Field: "last_event_id", Problem: "holds control characters, or begins or ends with a space"}
	}
	f := follower{client: c, request: s, handle: handle, pace: pace{base: c.cfg.Retry, most: c.cfg.MaxRetry}}
	for ctx.Err() == nil {
		why := f.stream(ctx)
		if final, ok := errors.AsType[*finalError](why); ok {
			return final.error
		}
		f.rest(ctx, why)
	}
	return nil
}

// finalError is an error that another attempt would only meet again.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// follower is one subscription over all its connections.
type follower struct {
	client  *Client
	request SubscribeRequest // its LastEventID moves on
	handle  func(sse.Message) error
	pace    pace
}

// stream follows one connection to its end, and says why it ended.
func (f *follower) stream(ctx context.Context) error {
	cfg := f.client.cfg
	watching, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(cfg.Timeout, func() { cancel(ErrSilent) })
	defer watch.Stop()

	body, err := f.open(watching)
	if err != nil {
		return causeOf(watching, err)
	}
	defer body.Close()
	watch.Stop()
	f.pace.tries = 0
	if f.request.Opened != nil {
		f.request.Opened()
	}
	d := sse.NewDecoder(&watched{body, watch, cfg.Silence}, cfg.MaxEvent, f.request.LastEventID)
	defer func() {
		f.resumeAfter(d.LastEventID())
		if retry, told := d.Retry(); told {
			f.pace.base = retry
		}
	}()
	for {
		m, err := d.Next()
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
		if err := f.handle(m); err != nil {
			return &finalError{err}
		}
	}
}

// rest waits before the next connection.
func (f *follower) rest(ctx context.Context, why error) {
	if ctx.Err() != nil {
		return
	}
	wait := f.pace.next(why)
	if f.request.Waiting != nil {
		f.request.Waiting(why, wait)
	}
	pause(ctx, wait)
}

// open asks for the stream and answers its body.
func (f *follower) open(ctx context.Context) (io.ReadCloser, error) {
	s := f.request
	query := url.Values{"topic": s.Topics}
	switch {
	case s.LastEventID != "":
	case s.Last > 0:
		query.Set("last", strconv.Itoa(s.Last))
	case s.Since != "":
		query.Set("since", s.Since)
	}
	req, err := f.client.request(ctx, http.MethodGet, query)
	if err != nil {
		return nil, &finalError{err}
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "identity") // a decompressor may hold an event back until more comes
	if s.LastEventID != "" {
		req.Header.Set("Last-Event-ID", s.LastEventID)
	}
	resp, err := f.client.http.Do(req)
	if err != nil {
		return nil, err
	}
	err = refusalOf(resp)
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp.Body, nil
}

// refusalOf is nil for an event stream.
func refusalOf(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		p := problemOf(resp)
		if p.passes() {
			return p
		}
		return &finalError{p}
	}
	kind := resp.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(kind); err != nil || media != "text/event-stream" {
		return &finalError{fmt.Errorf("%w: its type is %q", ErrNotStream, kind)}
	}
	return nil
}

// resumeAfter moves the place to resume from. One that no header can carry is of no use.
func (f *follower) resumeAfter(id string) {
	if headerSafe(id) {
		f.request.LastEventID = id
	}
}

// causeOf says why a context was cancelled rather than that it was.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// watched is a body whose every read must bring something in time. Time its reader spends elsewhere does not count.
type watched struct {
	io.Reader
	watch   *time.Timer
	silence time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	w.watch.Reset(w.silence)
	defer w.watch.Stop()
	return w.Reader.Read(p)
}
