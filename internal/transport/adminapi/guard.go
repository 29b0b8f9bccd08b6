package adminapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// guard checks the token. Without one every client is on this machine, but that includes browsers: the host must be a
// loopback one, which refuses pages whose owner resolves their host name to 127.0.0.1 (DNS rebinding).
type guard struct {
	required bool
	sum      [sha256.Size]byte // of the token
}

func newGuard(token string) guard {
	return guard{required: token != "", sum: sha256.Sum256([]byte(token))}
}

func (g guard) check(r *http.Request) error {
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

// hostOf returns the host of a request without its port.
func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
	}
	return host
}
