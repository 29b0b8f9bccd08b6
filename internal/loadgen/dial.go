package loadgen

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"time"
)

// dialTimeout bounds connecting.
const dialTimeout = 30 * time.Second

// dial connects for HTTP/1.1.
func dial(ctx context.Context, cfg Config) (net.Conn, error) {
	d := &net.Dialer{Timeout: dialTimeout}
	connect := d.DialContext
	if cfg.URL.Scheme == "https" {
		secure := tlsConfig(cfg)
		secure.NextProtos = []string{"http/1.1"}
		connect = (&tls.Dialer{NetDialer: d, Config: secure}).DialContext
	}
	conn, err := connect(ctx, "tcp", addressOf(cfg.URL))
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return conn, nil
}

func tlsConfig(cfg Config) *tls.Config {
	return &tls.Config{RootCAs: cfg.Roots, MinVersion: tls.VersionTLS12}
}

// addressOf returns the host and port of a URL. Without a port it is that of the scheme.
func addressOf(u *url.URL) string {
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), u.Scheme)
	}
	return u.Host
}
