package httpapi

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"carillon/internal/domain/access"
	"carillon/internal/problem"
)

// Observer counts refused requests by the code of the problem, of which this package has a fixed set. Its methods are
// called concurrently and must not block.
type Observer interface {
	// PublishRefused is called for a refused request to publish.
	PublishRefused(code string)
	// StreamRefused is called for a refused request to subscribe.
	StreamRefused(code string)
	// AuthFailed is called, in addition, for any request without the right to what it asked for.
	AuthFailed(code string)
}

// observeRefusal reports a refused request to the observer. A request whose client left was not refused.
func (a *API) observeRefusal(c *gin.Context, p problem.Document, err error) {
	if clientLeft(c, err) {
		return
	}
	noteRefusal(c, p.Code)
	if a.deps.Observer == nil {
		return
	}
	if c.FullPath() == routeEvents {
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
