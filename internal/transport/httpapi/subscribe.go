package httpapi

import (
	"errors"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/subscribe"
)

// subscribe serves GET /events with a stream.
func (a *API) subscribe(c *gin.Context) {
	rights, given, err := a.rights(c)
	if err != nil {
		a.refuse(c, err) // signing keys that are unavailable may soon be available
		return
	}
	req, err := subscribeRequest(c)
	if err != nil {
		a.fail(c, err)
		return
	}
	opened, err := a.subscriber.Open(c.Request.Context(), rights, req)
	if errors.Is(err, subscribe.ErrForbidden) && !given {
		err = errNoToken
	}
	if err != nil {
		a.refuse(c, err)
		return
	}
	c.Set(keyStream, true)
	record := newStreamRecord(a.logger, req, opened.Admission)
	record.opened(c, opened)
	// The deadline is for responses that end. A stream has one for each write.
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Time{})
	noteStream(c, req.Name)
	endSpan(c, http.StatusOK)
	a.deps.Streams.Serve(c.Writer, c.Request, opened.Stream, record)
}

// subscribeRequest returns the subscription that the query and the headers describe.
func subscribeRequest(c *gin.Context) (req subscribe.Request, err error) {
	query, err := parseQuery(c.Request, subscribeParameters)
	if err != nil {
		return req, err
	}
	req = subscribe.Request{Name: newID(), Address: c.ClientIP(), Topics: query["topic"]}
	// The header has what a browser saw last; the parameters are fixed in its URL, so they only count for its first request.
	if req.LastEventID = c.GetHeader("Last-Event-ID"); req.LastEventID != "" {
		return req, nil
	}
	for _, parameter := range []struct {
		name string
		text *string
	}{{"last_event_id", &req.LastEventID}, {"last", &req.Last}, {"since", &req.Since}} {
		if *parameter.text, err = single(query, parameter.name); err != nil || *parameter.text != "" {
			return req, err
		}
	}
	return req, nil
}

// refuse refuses a client that may come back later. A browser's EventSource never reconnects after a status other than
// 200, so a client that asks for an event stream is sent one that gives the reason and ends.
func (a *API) refuse(c *gin.Context, err error) {
	p := problemOf(err)
	temporary := p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests
	if !temporary || !acceptsStream(c.Request) || !a.deps.Streams.CanRefuse() {
		a.fail(c, err)
		return
	}
	a.observeRefusal(c, p, err)
	a.logger.Info("stream refused", append(identity(c), zap.String("peer", c.ClientIP()), zap.String("code", p.Code))...)
	reason := p.Code
	switch p.Code {
	case "draining":
		reason = string(pubsub.EndDrain)
	case "stream_limit":
		reason = "limit"
	}
	c.Set(keyStream, true)
	if draining, ok := errors.AsType[*pubsub.DrainingError](err); ok {
		// The server, or the one that replaces it, accepts clients soon after the drain.
		a.deps.Streams.RefuseFor(c.Writer, c.Request, reason, draining.Remaining)
		return
	}
	a.deps.Streams.Refuse(c.Writer, c.Request, reason)
}

func acceptsStream(r *http.Request) bool {
	for accepted := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if kind, _, err := mime.ParseMediaType(accepted); err == nil && kind == "text/event-stream" {
			return true
		}
	}
	return false
}
