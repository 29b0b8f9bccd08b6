package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"carillon/internal/domain/event"
)

var (
	errToken    = errors.New("the admin token is needed")
	errHost     = errors.New("requests are taken under this machine's own address or localhost only")
	errOrigin   = errors.New("pages of another origin may not do this")
	errNotFound = errors.New("no such route")
	errNoStream = errors.New("no such stream, or it has ended")
	errMethod   = errors.New("method not allowed on this route")
)

// problem is an answer that refuses, as RFC 9457 writes it. Its code is stable: programs may match on it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
	Field  string `json:"field,omitempty"`
}

// table maps errors to answers. The first that matches counts.
var table = []struct {
	err    error
	status int
	code   string
	title  string
}{
	{errToken, http.StatusUnauthorized, "unauthorized", "A token is needed"},
	{errHost, http.StatusForbidden, "host_refused", "This host name is not allowed"},
	{errOrigin, http.StatusForbidden, "origin_refused", "This origin is not allowed"},
	{errNotFound, http.StatusNotFound, "not_found", "There is nothing here"},
	{errNoStream, http.StatusNotFound, "not_found", "There is nothing here"},
	{errMethod, http.StatusMethodNotAllowed, "method_not_allowed", "This method is not allowed here"},
	{event.ErrInvalid, http.StatusBadRequest, "invalid", "The request is not valid"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "timeout", "The server took too long"},
}

func (a *API) fail(w http.ResponseWriter, err error) {
	p := problem{Type: "about:blank", Status: http.StatusInternalServerError, Code: "internal", Title: "Something went wrong"}
	for _, row := range table {
		if errors.Is(err, row.err) {
			p.Status, p.Code, p.Title, p.Detail = row.status, row.code, row.title, err.Error()
			break
		}
	}
	if bad, ok := errors.AsType[*event.InvalidError](err); ok {
		p.Field, p.Code = bad.Field, "invalid_"+bad.Field
	}
	switch {
	case errors.Is(err, context.Canceled): // whoever asked has left
	case p.Status >= http.StatusInternalServerError:
		a.deps.Log.Warn("request failed", zap.String("code", p.Code), zap.Error(err))
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	// Whether the client is still there to read it makes no difference.
	_ = json.NewEncoder(w).Encode(p)
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
