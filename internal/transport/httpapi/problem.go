package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// Errors of the interface itself. What the domain and the app refuse has errors of its own.
var (
	errNoToken       = errors.New("no token was given")
	errForbidden     = errors.New("not allowed by the token")
	errOrigin        = errors.New("pages of this origin may not do this")
	errNotFound      = errors.New("no such route")
	errMethod        = errors.New("method not allowed on this route")
	errTooLarge      = errors.New("too large")
	errTooMany       = errors.New("too many events a second")
	errStreams       = errors.New("the server has as many streams as it may")
	errStreamsClient = errors.New("this client has as many streams as it may")
	errSlowBody      = errors.New("the body did not arrive in time")
)

// problem is an answer that refuses, as RFC 9457 writes it. Its code is stable: programs may match on it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
	Field  string `json:"field,omitempty"`
	Line   int    `json:"line,omitempty"`

	retryAfter time.Duration
}

// table maps errors to answers. The first that matches counts.
var table = []struct {
	err    error
	status int
	code   string
	title  string
}{
	{errNoToken, http.StatusUnauthorized, "unauthorized", "A token is needed"},
	{access.ErrExpiredToken, http.StatusUnauthorized, "token_expired", "The token has expired"},
	{access.ErrInvalidToken, http.StatusUnauthorized, "token_invalid", "The token is not valid"},
	{access.ErrUnavailable, http.StatusServiceUnavailable, "keys_unavailable", "The keys to check tokens with cannot be had now"},
	{errForbidden, http.StatusForbidden, "forbidden", "The token does not allow this"},
	{errOrigin, http.StatusForbidden, "origin_refused", "This origin is not allowed"},
	{errNotFound, http.StatusNotFound, "not_found", "There is nothing here"},
	{errMethod, http.StatusMethodNotAllowed, "method_not_allowed", "This method is not allowed here"},
	{errTooLarge, http.StatusRequestEntityTooLarge, "too_large", "Too much at once"},
	{errSlowBody, http.StatusRequestTimeout, "timeout", "The request took too long to arrive"},
	{errTooMany, http.StatusTooManyRequests, "rate_limited", "Too many events a second"},
	{errStreamsClient, http.StatusTooManyRequests, "stream_limit", "Too many streams from this address"},
	{errStreams, http.StatusServiceUnavailable, "stream_limit", "No room for another stream"},
	{event.ErrInvalid, http.StatusBadRequest, "invalid", "The request is not valid"},
	{pubsub.ErrNoPattern, http.StatusBadRequest, "invalid_topic", "The request is not valid"},
	{pubsub.ErrDraining, http.StatusServiceUnavailable, "draining", "The server is stopping"},
	{pubsub.ErrUnavailable, http.StatusServiceUnavailable, "log_unavailable", "The log cannot be reached now"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "timeout", "The server took too long"},
}

// lineError is an error in one line of a batch.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return "line " + strconv.Itoa(e.line) + ": " + e.err.Error() }
func (e *lineError) Unwrap() error { return e.err }

// waitError is an error that will pass.
type waitError struct {
	err  error
	wait time.Duration
}

func (e *waitError) Error() string { return e.err.Error() }
func (e *waitError) Unwrap() error { return e.err }

func problemOf(err error) problem {
	p := problem{Type: "about:blank", Status: http.StatusInternalServerError, Code: "internal", Title: "Something went wrong"}
	for _, row := range table {
		if errors.Is(err, row.err) {
			p.Status, p.Code, p.Title, p.Detail = row.status, row.code, row.title, err.Error()
			break
		}
	}
	if bad, ok := errors.AsType[*event.InvalidError](err); ok {
		p.Field = bad.Field
		p.Code = "invalid_" + bad.Field
	}
	if line, ok := errors.AsType[*lineError](err); ok {
		p.Line = line.line
	}
	if wait, ok := errors.AsType[*waitError](err); ok {
		p.retryAfter = wait.wait
	}
	return p
}

// fail answers with the problem an error is, and is the one place that logs it.
func (a *API) fail(c *gin.Context, err error) {
	p := problemOf(err)
	a.refused(c, p, err)
	fields := []zap.Field{zap.String("request_id", requestID(c)), zap.String("route", c.FullPath()), zap.String("code", p.Code), zap.Error(err)}
	switch {
	case p.Code == "internal":
		if errors.Is(err, context.Canceled) {
			break // the client left; there is nobody to answer
		}
		a.log.Error("request failed", fields...)
	case p.Status >= http.StatusInternalServerError:
		a.log.Warn("request refused", fields...)
	default:
		a.log.Debug("request refused", fields...)
	}
	writeProblem(c, p)
}

func writeProblem(c *gin.Context, p problem) {
	h := c.Writer.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int((p.retryAfter+time.Second-1)/time.Second))))
	}
	c.Abort()
	c.Writer.WriteHeader(p.Status)
	// Whether the client is still there to read it makes no difference.
	_ = json.NewEncoder(c.Writer).Encode(p)
}
