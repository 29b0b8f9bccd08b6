package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Headers that a page's fetch may send besides those that are always allowed.
const (
	wantedHeaders = "authorization,last-event-id"
	wantedMethod  = http.MethodGet
)

// checkCORS reports whether a browser lets pages of an origin read the stream: by a simple request, as EventSource
// makes it, and by a preflight, as fetch with a token makes it.
func checkCORS(ctx context.Context, t *Target) []Finding {
	if t.cfg.Origin == "" {
		return notChecked("cors", "no --origin was given")
	}
	if sameOrigin(t.url, t.cfg.Origin) {
		return []Finding{{Code: "same_origin", Summary: "pages of " + t.cfg.Origin + " are of the server's own origin and need no permission"}}
	}
	simple, err := t.get(ctx, http.MethodGet, t.url, http.Header{"Origin": {t.cfg.Origin}, "Accept": {"text/event-stream"}})
	if err != nil {
		return []Finding{failed("cors_failed", Fail, "a request with an Origin", err)}
	}
	if f := originProblem(t, simple); f != nil {
		return []Finding{*f}
	}
	findings := []Finding{{
		Code: "origin_allowed", Summary: "pages of " + t.cfg.Origin + " may read the stream",
		Values: map[string]any{"allow_origin": simple.header.Get("Access-Control-Allow-Origin")},
	}}
	preflight, err := t.preflight(ctx)
	switch {
	case err != nil:
		return append(findings, failed("preflight_failed", Warn, "a preflight", err))
	case preflight.status/100 != 2 || originProblem(t, preflight) != nil || !allowsHeaders(preflight.header):
		return append(findings, Finding{
			Code: "preflight_refused", Level: Warn,
			Summary: fmt.Sprintf("a preflight for %s is refused (status %d)", wantedHeaders, preflight.status),
			Meaning: "EventSource works. Pages that use fetch with a token in Authorization do not.",
			Change:  "Pass OPTIONS requests on to the server, and let it allow the headers.", Config: allowOrigin(t.cfg.Origin),
		})
	}
	return append(findings, Finding{Code: "preflight_allowed", Summary: "pages may send " + wantedHeaders})
}

// preflight sends what a browser sends before a request with headers of its own. It carries neither token nor cookie.
func (t *Target) preflight(ctx context.Context) (*reply, error) {
	return t.get(ctx, http.MethodOptions, t.url, http.Header{
		"Origin": {t.cfg.Origin}, "Authorization": nil, "Cookie": nil,
		"Access-Control-Request-Method": {wantedMethod}, "Access-Control-Request-Headers": {wantedHeaders},
	})
}

// originProblem returns why a browser would not show a response to a page, or nil.
func originProblem(t *Target, r *reply) *Finding {
	allowed := r.header.Values("Access-Control-Allow-Origin")
	f := &Finding{Level: Fail, Meaning: "Browsers keep the stream from pages of this origin.", Values: map[string]any{"status": r.status, "allow_origin": allowed}}
	switch {
	case len(allowed) > 1 || len(allowed) == 1 && strings.Contains(allowed[0], ","):
		f.Code, f.Summary = "origin_twice", "Access-Control-Allow-Origin is there more than once"
		f.Change, f.Config = "Let either the server or the proxy send it.", singleOrigin()
	case r.problem("origin_refused") || len(allowed) == 0:
		f.Code, f.Summary = "origin_refused", "pages of "+t.cfg.Origin+" are not allowed"
		f.Change, f.Config = "Allow the origin, best in the server.", allowOrigin(t.cfg.Origin)
	case allowed[0] != "*" && allowed[0] != t.cfg.Origin:
		f.Code, f.Summary = "other_origin", fmt.Sprintf("only pages of %q are allowed", allowed[0])
		f.Change, f.Config = "Allow the origin, best in the server.", allowOrigin(t.cfg.Origin)
		f.Meaning += " If others were allowed before, a cache may have kept their answer: it must vary by Origin."
	default:
		return nil
	}
	return f
}

// allowsHeaders reports whether a preflight allows all headers that were wanted. The wildcard does not cover
// Authorization.
func allowsHeaders(h http.Header) bool {
	allowed := map[string]bool{}
	for name := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Access-Control-Allow-Headers"), ",")), ",") {
		allowed[strings.TrimSpace(name)] = true
	}
	for name := range strings.SplitSeq(wantedHeaders, ",") {
		if !allowed[name] && (!allowed["*"] || name == "authorization") {
			return false
		}
	}
	return true
}

func sameOrigin(u *url.URL, origin string) bool {
	o, err := url.Parse(origin)
	return err == nil && o.Scheme == u.Scheme && strings.EqualFold(o.Hostname(), u.Hostname()) && portOf(o) == portOf(u)
}

func portOf(u *url.URL) string {
	switch port := u.Port(); {
	case port != "":
		return port
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
