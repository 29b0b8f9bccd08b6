package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"carillon/internal/app/publish"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/subscribe"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/problem"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/ws"
)

// socket serves GET /events with a WebSocket connection. What is wrong already is refused with a status, before the
// upgrade.
func (a *API) socket(c *gin.Context) {
	start, err := a.socketStart(c)
	if err != nil {
		a.fail(c, err)
		return
	}
	query, err := parseQuery(c.Request, subscribeParameters)
	if err != nil {
		a.fail(c, err)
		return
	}
	if start.Request, err = socketRequest(c, query); err != nil {
		a.fail(c, err)
		return
	}
	admission, err := a.deps.Subscriber.Admit(c.ClientIP())
	if err != nil {
		a.fail(c, err)
		return
	}
	host := newSocketHost(a, c, admission)
	if start.Request != nil {
		opened, err := host.Open(c.Request.Context(), start.Rights, *start.Request, true)
		switch {
		case err == nil:
			start.Opened = &opened
		case start.Token != "" || !errors.Is(err, access.ErrForbidden): // otherwise the first frame may be a token
			admission.Release()
			a.fail(c, err)
			return
		}
	}
	c.Set(keyStream, true)
	if err := a.deps.Sockets.Serve(c.Writer, c.Request, host, start); err != nil {
		if start.Opened != nil {
			start.Opened.Observer.Ended(delivery.Summary{Reason: pubsub.EndFailed, Problem: err})
		}
		admission.Release()
		a.logger.Debug("websocket refused", zap.String("conn", host.name), zap.Error(err))
		return
	}
	endSpan(c, http.StatusSwitchingProtocols)
	a.logger.Info("websocket opened", append(slices.Clip(host.identity), zap.String("conn", host.name), zap.String("peer", host.address))...)
}

// socketStart returns the rights that a connection begins with. Browsers let a page of any origin open a WebSocket
// connection and read it, so that the server must refuse what they refuse for other requests.
func (a *API) socketStart(c *gin.Context) (start ws.Start, err error) {
	if c.GetHeader("Origin") != "" && !a.cors.Load().any() && !a.ownOrigin(c.Request) {
		return start, errOrigin
	}
	if a.deps.Draining() {
		return start, pubsub.ErrDraining
	}
	if start.Token, err = a.token(c.Request); err != nil {
		return start, err
	}
	start.Rights, _, err = a.rights(c)
	return start, err
}

// socketRequest returns the subscription that the query describes, or nil if it has no topic.
func socketRequest(c *gin.Context, query url.Values) (*subscribe.Request, error) {
	req, err := subscribeRequest(c, query)
	switch {
	case err != nil:
		return nil, err
	case len(req.Topics) > 0:
		return &req, nil
	case req.LastEventID+req.Last+req.Since != "" || req.Latest:
		return nil, &event.InvalidError{Field: "topic", Problem: "is missing; a position to start from belongs to a subscription"}
	}
	return nil, nil
}

// socketHost does for a connection what the handlers do for requests.
type socketHost struct {
	api       *API
	name      string // in log records
	address   string
	identity  []zap.Field // of its request, in log records
	proto     string
	admission subscribe.Admission
	start     time.Time
}

func newSocketHost(a *API, c *gin.Context, admission subscribe.Admission) *socketHost {
	return &socketHost{
		api: a, name: newID(), address: c.ClientIP(), identity: identity(c), proto: c.Request.Proto, admission: admission, start: time.Now(),
	}
}

// Authenticate returns the rights of a token.
func (h *socketHost) Authenticate(ctx context.Context, token string) (access.Rights, error) {
	if token == "" {
		return access.Rights{}, access.ErrInvalidToken
	}
	return h.api.deps.Auth.Authenticate(ctx, token)
}

// Open opens a stream.
func (h *socketHost) Open(ctx context.Context, rights access.Rights, req subscribe.Request, share bool) (ws.Opened, error) {
	req.Name, req.Address = newID(), h.address
	var opened subscribe.Opened
	var err error
	if share {
		opened, err = h.api.deps.Subscriber.OpenAdmitted(ctx, rights, req)
	} else {
		opened, err = h.api.deps.Subscriber.Open(ctx, rights, req)
	}
	if err != nil {
		return ws.Opened{}, err
	}
	record := newStreamRecord(h.api.logger, req, opened.Admission, false)
	record.opened(h.identity, h.proto, "ws", opened)
	return ws.Opened{Stream: opened.Stream, Observer: record}, nil
}

// Renew continues a stream with other rights.
func (h *socketHost) Renew(stream *pubsub.Stream, rights access.Rights, req subscribe.Request) error {
	return h.api.deps.Subscriber.Renew(stream, rights, req)
}

// Publish publishes events.
func (h *socketHost) Publish(ctx context.Context, rights access.Rights, requests []publish.Request) []publish.Result {
	return h.api.deps.Publisher.PublishEach(ctx, rights, requests)
}

// EventBytes returns how large the data of an event may be.
func (h *socketHost) EventBytes() int64 { return h.api.deps.Publisher.Limits().EventBytes }

// Refused counts and logs what was refused, and returns the document for it.
func (h *socketHost) Refused(what ws.Kind, err error) problem.Document {
	p := problemOf(err)
	if errors.Is(err, context.Canceled) {
		return p // the connection has ended, and nobody is answered
	}
	h.api.logRefusal(p, zap.String("conn", h.name), zap.String("peer", h.address), zap.String("code", p.Code), zap.Error(err))
	observer := h.api.deps.Observer
	if observer == nil {
		return p
	}
	switch what {
	case ws.Publishing:
		observer.PublishRefused(p.Code)
	case ws.Subscribing:
		observer.StreamRefused(p.Code)
	case ws.Authenticating, ws.Speaking:
	}
	if p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden || errors.Is(err, access.ErrUnavailable) {
		observer.AuthFailed(p.Code)
	}
	return p
}

// Closed releases the connection's place within the limits.
func (h *socketHost) Closed(summary ws.Summary) {
	h.admission.Release()
	h.api.logger.Info("websocket closed", zap.String("conn", h.name), zap.String("peer", h.address), zap.String("reason", string(summary.Reason)),
		zap.Duration("duration", time.Since(h.start)), zap.Int64("published", summary.Published), zap.Int64("bytes", summary.Bytes))
}
