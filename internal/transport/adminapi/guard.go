package adminapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// guard refuses requests that a browser sends for a page of another origin, and checks the token. Without a token every
// client is on this machine, but that includes browsers: the host must be a loopback one, which refuses pages whose owner
// resolves their host name to 127.0.0.1 (DNS rebinding). With a token any host is allowed, because no browser adds the
// token to a page's request by itself.
type guard struct {
	required bool
	sum      [sha256.Size]byte // of the token
}

func newGuard(token string) guard {
	return guard{required: token != "", sum: sha256.Sum256([]byte(token))}
}

func (g guard) check(r *http.Request) error {
	if crossOrigin(r) {
		return errOrigin
	}
	if !g.required {
		if !isLoopback(hostOf(r)) {
			return errHost
		}
		return nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	// Compare hashes, so that the duration reveals nothing about the token, not even its length.
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(sum[:], g.sum[:]) != 1 {
		return errToken
	}
	return nil
}

// crossOrigin reports whether a browser sent a request for a page of another origin. This includes GET, which
// [http.CrossOriginProtection] allows: a page's image or form can request a profile. A client that is no browser sends
// neither header. The scheme is not compared, because a proxy may add TLS.
func crossOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none": // none: the user entered the address
		return false
	case "":
	default:
		return true
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return false
	}
	u, err := url.Parse(origins[0])
	return err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host)
}

// hostOf returns the host of a request without its port.
func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
	}
	return host
}
