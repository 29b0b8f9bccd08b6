package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/transport/accept"
	"carillon/internal/transport/delivery"
)

// Transport delivers a stream as the response to a request.
type Transport interface {
	// Serve responds with a stream. The observer may be called from any goroutine, also after Serve has returned.
	Serve(w http.ResponseWriter, r *http.Request, stream *pubsub.Stream, observer delivery.Observer)
}

// Checker is a [Transport] with parameters of its own.
type Checker interface {
	// Check returns an error that matches [event.ErrInvalid] if one of them is not valid.
	Check(r *http.Request) error
}

// Refuser is a [Transport] that may refuse a client for now with a response of its own format.
type Refuser interface {
	CanRefuse() bool
	Refuse(w http.ResponseWriter, r *http.Request, reason string)
	RefuseFor(w http.ResponseWriter, r *http.Request, reason string, wait time.Duration)
}

// Representation is a form in which GET /events delivers events.
type Representation struct {
	Name      string // of the transport, in log records
	MediaType string // by which a client asks for it
	Transport Transport
	JSON      Transport // in place of Transport for format=json; nil if its events are JSON anyway
	Brief     bool      // a stream is as short as a request, and is logged as one
}

// errNotAcceptable reports a request whose Accept header excludes every representation.
var errNotAcceptable = errors.New("none of the accepted media types is available")

// represent returns the representation that a request asks for, as its query varies it. All of them are offered in the
// order of [Deps.Representations], of which the first is for clients that accept anything.
func (a *API) represent(r *http.Request, query url.Values) (Representation, error) {
	offers := make([]string, 0, len(a.deps.Representations))
	for _, candidate := range a.deps.Representations {
		offers = append(offers, candidate.MediaType)
	}
	chosen, ok := accept.Media(r.Header.Values("Accept"), offers...)
	if !ok {
		return Representation{}, fmt.Errorf("%w: available are %s", errNotAcceptable, strings.Join(offers, ", "))
	}
	format, err := single(query, "format")
	if err != nil {
		return Representation{}, err
	}
	if format != "" && format != "json" {
		return Representation{}, &event.InvalidError{Field: "format", Problem: "must be json, or left out"}
	}
	var found Representation
	for _, candidate := range a.deps.Representations {
		if candidate.MediaType == chosen {
			found = candidate
		}
	}
	if format == "json" && found.JSON != nil {
		found.Transport = found.JSON
	}
	if checker, ok := found.Transport.(Checker); ok {
		if err := checker.Check(r); err != nil {
			return Representation{}, err
		}
	}
	return found, nil
}

// refuser returns what refuses a request in the format of a representation, or nil for clients that are refused with a
// status. Only a client that names the media type reads such a refusal.
func (p Representation) refuser(r *http.Request) Refuser {
	refuser, ok := p.Transport.(Refuser)
	if !ok || !refuser.CanRefuse() || !accept.Names(r.Header.Values("Accept"), p.MediaType) {
		return nil
	}
	return refuser
}
