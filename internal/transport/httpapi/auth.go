package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"carillon/internal/domain/access"
)

// rights returns the rights of the request's token, or the anonymous ones if no token is given.
func (a *API) rights(c *gin.Context) (rights access.Rights, given bool, err error) {
	token, err := a.token(c.Request)
	if err != nil {
		return access.Rights{}, false, err
	}
	if token == "" {
		return a.deps.Auth.Anonymous(), false, nil
	}
	rights, err = a.deps.Auth.Authenticate(c.Request.Context(), token)
	return rights, true, err
}

// token returns the request's token, from the Authorization header (RFC 6750, 2.1) or from a cookie. Browsers send a
// cookie with every request, so it is accepted only from pages of an allowed origin.
func (a *API) token(r *http.Request) (string, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, found := strings.Cut(header, " ")
		if !found || !strings.EqualFold(scheme, "Bearer") || token == "" {
			return "", access.ErrInvalidToken
		}
		return strings.TrimSpace(token), nil
	}
	if a.cfg.Cookie == "" {
		return "", nil
	}
	cookie, err := r.Cookie(a.cfg.Cookie)
	if err != nil || cookie.Value == "" {
		return "", nil //nolint:nilerr // without a cookie there is no token
	}
	if !a.ownOrigin(r) {
		return "", errOrigin
	}
	return cookie.Value, nil
}
