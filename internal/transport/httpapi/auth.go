package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"carillon/internal/domain/access"
)

// rights tells what the request's token entitles to; without one, what everybody may.
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

// token finds the request's token: in the Authorization header (RFC 6750, 2.1), or in a cookie, which browsers send by
// themselves and which therefore counts only from pages that may use it.
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
		return "", nil //nolint:nilerr // no cookie is no token
	}
	if !a.ownOrigin(r) {
		return "", errOrigin
	}
	return cookie.Value, nil
}

// ownOrigin reports whether a request was sent by a page of this server or of an allowed origin. A browser says so in
// Origin, or, where it leaves that out for a GET of the same origin, in Sec-Fetch-Site.
func (a *API) ownOrigin(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		if slices.Contains(a.rules.Load().cors.Origins, origin) {
			return true
		}
		u, err := url.Parse(origin)
		return err == nil && u.Host != "" && u.Host == r.Host
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		// Not a browser, or one too old to say; a publish by cookie wants proof.
		return r.Method == http.MethodGet
	}
	return false
}
