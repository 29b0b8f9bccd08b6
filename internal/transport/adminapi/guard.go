package adminapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// guard lets in who shows the token. Where there is none, everybody who reaches the listener is on this machine, but so
// is a browser with foreign pages: a name that its owner made to mean 127.0.0.1 is turned away.
type guard struct {
	needed bool
	sum    [sha256.Size]byte // of the token
}

func newGuard(token string) guard {
	return guard{needed: token != "", sum: sha256.Sum256([]byte(token))}
}

func (g guard) check(r *http.Request) error {
	if !g.needed {
		if !isLoopback(hostOf(r)) {
			return errHost
		}
		return nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	// Sums, so that the time it takes tells nothing, not even the length.
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(sum[:], g.sum[:]) != 1 {
		return errToken
	}
	return nil
}

// hostOf is the host a request is addressed to, without its port.
func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
	}
	return host
}
