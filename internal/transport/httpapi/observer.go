package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"carillon/internal/domain/access"
)

// Observer is told what the interface turns away, by the code of the problem: a few that this package fixes. Its
// methods are called concurrently and must be quick.
type Observer interface {
	// PublishRefused is told of a request to publish.
	PublishRefused(code string)
	// StreamRefused is told of a request to subscribe.
	StreamRefused(code string)
	// AuthFailed is told, besides, of any request that lacked the right to what it asked for.
	AuthFailed(code string)
}

// refused tells the observer, if there is one, of a request that is turned away. A client that left was not.
func (a *API) refused(c *gin.Context, p problem, err error) {
	if a.deps.Observer == nil || errors.Is(err, context.Canceled) {
		return
	}
	if c.FullPath() == "/events" {
		switch c.Request.Method {
		case http.MethodPost:
			a.deps.Observer.PublishRefused(p.Code)
		case http.MethodGet:
			a.deps.Observer.StreamRefused(p.Code)
		}
	}
	if p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden || errors.Is(err, access.ErrUnavailable) {
		a.deps.Observer.AuthFailed(p.Code)
	}
}
