package httpapi

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"carillon/internal/app/subscribe"
	"carillon/internal/domain/access"
)

// presence serves GET /presence: who subscribes to topics now.
func (a *API) presence(c *gin.Context) {
	rights, given, err := a.rights(c)
	if err != nil {
		a.fail(c, err)
		return
	}
	query, err := parseQuery(c.Request, presenceParameters)
	if err != nil {
		a.fail(c, err)
		return
	}
	req := subscribe.PresenceRequest{Topics: query["topic"]}
	if req.Kind, err = single(query, "presence"); err != nil {
		a.fail(c, err)
		return
	}
	reports, err := a.deps.Subscriber.Presence(c.Request.Context(), rights, req)
	if errors.Is(err, access.ErrForbidden) && !given {
		err = errNoToken
	}
	if err != nil {
		a.fail(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"topics": reports})
}
