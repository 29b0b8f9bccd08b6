package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/subscribe"
	"carillon/internal/domain/access"
	"carillon/internal/transport/ws"
)

// subscribe serves GET /events with a stream, in the representation that the client prefers.
func (a *API) subscribe(c *gin.Context) {
	if ws.Requested(c.Request) {
		a.socket(c)
		return
	}
	c.Writer.Header().Add("Vary", "Accept")
	query, err := parseQuery(c.Request, subscribeParameters)
	if err != nil {
		a.fail(c, err)
		return
	}
	chosen, err := a.represent(c.Request, query)
	if err != nil {
		a.fail(c, err)
		return
	}
	rights, given, err := a.rights(c)
	if err != nil {
		a.refuse(c, chosen, err) // signing keys that are unavailable may soon be available
		return
	}
	req, err := subscribeRequest(c, query)
	if err != nil {
		a.fail(c, err)
		return
	}
	opened, err := a.deps.Subscriber.Open(c.Request.Context(), rights, req)
	if errors.Is(err, access.ErrForbidden) && !given {
		err = errNoToken
	}
	if err != nil {
		a.refuse(c, chosen, err)
		return
	}
	c.Set(keyStream, !chosen.Brief)
	record := newStreamRecord(a.logger, req, opened.Admission, chosen.Brief)
	record.opened(identity(c), c.Request.Proto, chosen.Name, opened)
	// The deadline is for responses that end. A stream has one for each write.
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Time{})
	noteStream(c, req.Name)
	endSpan(c, http.StatusOK)
	chosen.Transport.Serve(c.Writer, c.Request, opened.Stream, record)
}

// subscribeRequest returns the subscription that the query and the headers describe.
func subscribeRequest(c *gin.Context, query url.Values) (req subscribe.Request, err error) {
	req = subscribe.Request{Name: newID(), Address: c.ClientIP(), Topics: query["topic"]}
	if req.Presence, err = single(query, "presence"); err != nil {
		return req, err
	}
	if req.Latest, err = flag(query, "latest"); err != nil {
		return req, err
	}
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
func (a *API) refuse(c *gin.Context, chosen Representation, err error) {
	p := problemOf(err)
	temporary := p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests
	refuser := chosen.refuser(c.Request)
	if !temporary || refuser == nil {
		a.fail(c, err)
		return
	}
	a.observeRefusal(c, p, err)
	a.logger.Info("stream refused", append(identity(c), zap.String("peer", c.ClientIP()),
		zap.String("transport", chosen.Name), zap.String("code", p.Code))...)
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
		refuser.RefuseFor(c.Writer, c.Request, reason, draining.Remaining)
		return
	}
	refuser.Refuse(c.Writer, c.Request, reason)
}
