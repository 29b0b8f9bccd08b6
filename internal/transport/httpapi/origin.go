package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
)

// ownOrigin reports whether a request was sent by a page of this server or of an allowed origin. A browser names the
// origin in Origin, which it may omit for a GET of the same origin, and then says so in Sec-Fetch-Site.
func (a *API) ownOrigin(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		return slices.Contains(a.cors.Load().Origins, origin) || a.sameOrigin(origin, r)
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		// Not a browser, or one without Sec-Fetch-Site. A publish by cookie needs an origin.
		return r.Method == http.MethodGet
	}
	return false
}

// sameOrigin reports whether an origin is the one that the request was sent to: the same scheme, host and port (RFC 6454,
// 5). Where the scheme is not known, the host and the port must do.
func (a *API) sameOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	scheme := a.scheme(r)
	if scheme == "" {
		return u.Host == r.Host
	}
	return u.Scheme == scheme && withPort(u.Host, scheme) == withPort(r.Host, scheme)
}

// scheme returns the scheme of the URL that the client used, or "" if it is not known: a connection without TLS may come
// from a proxy that ends TLS, and only a trusted proxy's X-Forwarded-Proto is believed.
func (a *API) scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	forwarded := r.Header.Get("X-Forwarded-Proto")
	if defaultPort[forwarded] == "" || !a.fromTrustedProxy(r) {
		return ""
	}
	return forwarded
}

func (a *API) fromTrustedProxy(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && slices.ContainsFunc(a.cfg.TrustedProxies, func(text string) bool {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			return prefix.Contains(peer.Addr().Unmap())
		}
		addr, err := netip.ParseAddr(text)
		return err == nil && addr == peer.Addr().Unmap()
	})
}

// withPort returns a host with its port, which browsers omit if it is the scheme's own.
func withPort(host, scheme string) string {
	if _, port, err := net.SplitHostPort(host); err == nil && port != "" {
		return host
	}
	return host + ":" + defaultPort[scheme]
}
