package doctor

import (
	"context"
	"net/http"
	"strings"
)

// invalidCookie is a value no server takes for a token.
const invalidCookie = "carillon-doctor-invalid"

// checkCookies reports whether a stream sets cookies, whether browsers send them from an origin, and, given one that
// carries a token, whether it reaches the server.
func checkCookies(ctx context.Context, t *Target) []Finding {
	if t.live == nil {
		return notChecked("cookies", noStream)
	}
	findings := checkSetCookies(t)
	if t.cfg.Origin != "" && !sameOrigin(t.url, t.cfg.Origin) {
		findings = append(findings, checkCredentials(ctx, t))
	}
	if t.cfg.Cookie != "" {
		findings = append(findings, checkCookieArrives(ctx, t))
	}
	return findings
}

// checkSetCookies reports the cookies a stream sets. Carillon sets none.
func checkSetCookies(t *Target) []Finding {
	set := t.live.response.Cookies()
	if len(set) == 0 {
		return []Finding{{Code: "no_cookies", Summary: "the stream sets no cookie"}}
	}
	var names []string
	crossSite := true
	for _, c := range set {
		names = append(names, c.Name)
		crossSite = crossSite && c.Secure && c.SameSite == http.SameSiteNoneMode
	}
	f := Finding{Code: "sets_cookies", Level: Info, Summary: "the stream sets cookies: " + strings.Join(names, ", "), Values: map[string]any{"cookies": names}}
	if t.isCarillon() {
		f.Meaning = "Carillon sets none, so these are a proxy's, for example to send a client to the same node again."
	}
	if t.cfg.Origin != "" && !sameOrigin(t.url, t.cfg.Origin) && !crossSite {
		f.Change = "Pages of other sites send them back only with SameSite=None; Secure."
	}
	return []Finding{f}
}

// checkCredentials reports whether browsers let pages of the origin use cookies with the stream.
func checkCredentials(ctx context.Context, t *Target) Finding {
	r, err := t.get(ctx, http.MethodGet, t.url, http.Header{"Origin": {t.cfg.Origin}, "Accept": {"text/event-stream"}})
	if err != nil {
		return failed("credentials_failed", Fail, "a request with an Origin", err)
	}
	with := strings.EqualFold(r.header.Get("Access-Control-Allow-Credentials"), "true")
	switch {
	case with && r.header.Get("Access-Control-Allow-Origin") == "*":
		return Finding{
			Code: "credentials_with_any_origin", Level: Fail, Summary: "cookies are allowed together with any origin (*)",
			Meaning: "Browsers refuse this: a page with withCredentials gets no stream.",
			Change:  "Name the origins that may use cookies.", Config: []Setting{{carillon, []string{"http.cors.origins: [" + t.cfg.Origin + "]", "http.cors.credentials: true"}}},
		}
	case with:
		return Finding{Code: "credentials_allowed", Summary: "pages of " + t.cfg.Origin + " may send cookies"}
	}
	return Finding{
		Code: "credentials_not_allowed", Level: Info, Summary: "pages of " + t.cfg.Origin + " may not send cookies",
		Meaning: "An EventSource with withCredentials gets no stream. Without it, none is needed.",
		Change:  "If a cookie carries the token, allow it.", Config: []Setting{{carillon, []string{"http.cors.credentials: true"}}},
	}
}

// checkCookieArrives sends the user's cookie with a value that is no token: a server that reads it refuses.
func checkCookieArrives(ctx context.Context, t *Target) Finding {
	name, _, _ := strings.Cut(t.cfg.Cookie, "=")
	r, err := t.get(ctx, http.MethodGet, t.url, http.Header{"Cookie": {name + "=" + invalidCookie}, "Authorization": nil, "Accept": {"text/event-stream"}})
	switch {
	case err != nil:
		return failed("cookie_failed", Fail, "a request with a cookie", err)
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		return Finding{Code: "cookie_arrives", Summary: "the cookie reaches the server, which refuses a wrong value"}
	}
	return Finding{
		Code: "cookie_ignored", Level: Warn, Summary: "a wrong value of the cookie is not refused",
		Meaning: "The cookie does not reach the server, or the server does not read a token from it.",
		Change:  "Pass cookies on, and name the cookie in the server.",
		Config:  append([]Setting{{carillon, []string{"http.cookie: " + name}}}, passing("Cookie", "$http_cookie")...),
		Values:  map[string]any{"status": r.status},
	}
}
