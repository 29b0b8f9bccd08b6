package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"carillon/internal/app/authority"
	"carillon/internal/domain/event"
	"carillon/internal/problem"
)

var (
	errToken    = errors.New("the admin token is required")
	errHost     = errors.New("the host must be localhost or a loopback address")
	errOrigin   = errors.New("requests from another origin are not allowed")
	errNotFound = errors.New("no such route")
	errNoStream = errors.New("no such stream, or it has ended")
	errMethod   = errors.New("method not allowed on this route")
)

// table maps errors to responses. The first that matches applies.
var table = []struct {
	err    error
	status int
	code   string
	title  string
}{
	{errToken, http.StatusUnauthorized, "unauthorized", "A token is required"},
	{errHost, http.StatusForbidden, "host_refused", "This host name is not allowed"},
	{errOrigin, http.StatusForbidden, "origin_refused", "This origin is not allowed"},
	{errNotFound, http.StatusNotFound, "not_found", "No such resource"},
	{errNoStream, http.StatusNotFound, "not_found", "No such resource"},
	{errMethod, http.StatusMethodNotAllowed, "method_not_allowed", "Method not allowed"},
	{authority.ErrTooManyDenied, http.StatusServiceUnavailable, "too_many_denied", "Too many subjects are denied"},
	{event.ErrInvalid, http.StatusBadRequest, "invalid", "The request is not valid"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "timeout", "The server took too long"},
}

func (a *API) fail(w http.ResponseWriter, err error) {
	p := problem.Internal()
	for _, row := range table {
		if errors.Is(err, row.err) {
			p = problem.New(row.status, row.code, row.title)
			p.Detail = err.Error()
			break
		}
	}
	if invalid, ok := errors.AsType[*event.InvalidError](err); ok {
		p.Field, p.Code = invalid.Field, "invalid_"+invalid.Field
	}
	switch {
	case errors.Is(err, context.Canceled): // the client left
	case p.Status >= http.StatusInternalServerError:
		a.deps.Logger.Warn("request failed", zap.String("code", p.Code), zap.Error(err))
	}
	p.Write(w)
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
