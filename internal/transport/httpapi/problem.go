package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"carillon/internal/app/publish"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/subscribe"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/problem"
	"carillon/internal/transport/ws"
)

// Errors of the interface itself. The domain and the use cases have their own.
var (
	errNoToken  = ws.ErrNoToken
	errOrigin   = errors.New("requests from this origin are not allowed")
	errNotFound = errors.New("no such route")
	errMethod   = errors.New("method not allowed on this route")
	errTooLarge = errors.New("too large")
	errSlowBody = errors.New("the body did not arrive in time")
)

// table maps errors to responses. The first that matches applies.
var table = []struct {
	err    error
	status int
	code   string
	title  string
}{
	{errNoToken, http.StatusUnauthorized, "unauthorized", "A token is required"},
	{access.ErrExpiredToken, http.StatusUnauthorized, "token_expired", "The token has expired"},
	{access.ErrInvalidToken, http.StatusUnauthorized, "token_invalid", "The token is not valid"},
	{access.ErrDenied, http.StatusForbidden, "subject_denied", "This subject is kept out for a time"},
	{access.ErrUnavailable, http.StatusServiceUnavailable, "keys_unavailable", "The signing keys are unavailable"},
	{access.ErrForbidden, http.StatusForbidden, "forbidden", "The token does not allow this"},
	{errOrigin, http.StatusForbidden, "origin_refused", "This origin is not allowed"},
	{errNotFound, http.StatusNotFound, "not_found", "No such resource"},
	{errMethod, http.StatusMethodNotAllowed, "method_not_allowed", "Method not allowed"},
	{errNotAcceptable, http.StatusNotAcceptable, "not_acceptable", "Not acceptable"},
	{errTooLarge, http.StatusRequestEntityTooLarge, "too_large", "Payload too large"},
	{publish.ErrTooLarge, http.StatusRequestEntityTooLarge, "too_large", "Payload too large"},
	{errSlowBody, http.StatusRequestTimeout, "timeout", "The request took too long to arrive"},
	{publish.ErrRate, http.StatusTooManyRequests, "rate_limited", "Too many events a second"},
	{ws.ErrTooManySubscriptions, http.StatusTooManyRequests, "stream_limit", "Too many subscriptions on this connection"},
	{subscribe.ErrTooManyClientStreams, http.StatusTooManyRequests, "stream_limit", "Too many streams from this address"},
	{subscribe.ErrTooManyStreams, http.StatusServiceUnavailable, "stream_limit", "Too many streams on this server"},
	{pubsub.ErrKeyReused, http.StatusUnprocessableEntity, "key_reused", "The idempotency key belongs to another event"},
	{event.ErrInvalid, http.StatusBadRequest, "invalid", "The request is not valid"},
	{pubsub.ErrNoPattern, http.StatusBadRequest, "invalid_topic", "The request is not valid"},
	{pubsub.ErrDraining, http.StatusServiceUnavailable, "draining", "The server is stopping"},
	{pubsub.ErrUnknownOutcome, http.StatusServiceUnavailable, "unknown_outcome", "The events may have been published"},
	{pubsub.ErrUnavailable, http.StatusServiceUnavailable, "log_unavailable", "The event log is unavailable"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "timeout", "The server took too long"},
}

// lineError is an error in one line of a batch.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return "line " + strconv.Itoa(e.line) + ": " + e.err.Error() }
func (e *lineError) Unwrap() error { return e.err }

// problemOf returns the document for an error.
func problemOf(err error) problem.Document {
	p := problem.Internal()
	for _, row := range table {
		if errors.Is(err, row.err) {
			p = problem.New(row.status, row.code, row.title)
			p.Detail = err.Error()
			break
		}
	}
	if invalid, ok := errors.AsType[*event.InvalidError](err); ok {
		p.Field = invalid.Field
		p.Code = "invalid_" + invalid.Field
	}
	if errors.Is(err, pubsub.ErrKeyReused) {
		p.Field = "key"
	}
	if line, ok := errors.AsType[*lineError](err); ok {
		p.Line = line.line
	}
	if rate, ok := errors.AsType[*publish.RateError](err); ok {
		p.RetryAfter = rate.Wait
	}
	if denied, ok := errors.AsType[*access.DeniedError](err); ok {
		p.RetryAfter = denied.Wait
	}
	if unavailable, ok := errors.AsType[*access.UnavailableError](err); ok {
		p.RetryAfter = unavailable.Wait
	}
	if errors.Is(err, pubsub.ErrUnavailable) {
		p.RetryAfter = logRetryAfter
	}
	if draining, ok := errors.AsType[*pubsub.DrainingError](err); ok {
		p.RetryAfter = max(draining.Remaining, time.Second)
	}
	return p
}

// logRetryAfter is when a client may try again while the log is unavailable. The engine looks at such a log every second.
const logRetryAfter = 2 * time.Second

// statusClientClosed is the status in the log record of a request whose client left before the response, as in nginx.
// The client does not receive it.
const statusClientClosed = 499

// clientLeft reports whether a request failed with err because its client left.
func clientLeft(c *gin.Context, err error) bool {
	return errors.Is(err, context.Canceled) && c.Request.Context().Err() != nil
}

// fail sends the problem of an error. It is the only place that logs it.
func (a *API) fail(c *gin.Context, err error) {
	if clientLeft(c, err) {
		c.AbortWithStatus(statusClientClosed)
		return
	}
	p := problemOf(err)
	a.observeRefusal(c, p, err)
	fields := append(identity(c), zap.String("route", c.FullPath()), zap.String("code", p.Code), zap.Error(err))
	if isProbe(c) && p.Code != "internal" {
		a.logger.Debug("request refused", fields...) // several a second from each load balancer; what is wrong is logged elsewhere
	} else {
		a.logRefusal(p, fields...)
	}
	c.Abort()
	if errors.Is(err, pubsub.ErrDraining) {
		c.Header("Connection", "close") // the next request is for another server; this one would be cut off
	}
	p.Write(c.Writer)
}

// logRefusal logs that something was refused.
func (a *API) logRefusal(p problem.Document, fields ...zap.Field) {
	switch {
	case p.Code == "internal":
		a.logger.Error("request failed", fields...)
	case p.Status >= http.StatusInternalServerError:
		a.logger.Warn("request refused", fields...)
	default:
		a.logger.Debug("request refused", fields...)
	}
}
