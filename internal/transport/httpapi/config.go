package httpapi

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config configures the public listener. Its keys are in the section "http".
type Config struct {
	Addr              string        `mapstructure:"addr"`
	ReadHeaderTimeout time.Duration `mapstructure:"read_header_timeout"`
	ReadTimeout       time.Duration `mapstructure:"read_timeout"` // for the body of a publish
	IdleTimeout       time.Duration `mapstructure:"idle_timeout"`
	MaxHeaderBytes    int           `mapstructure:"max_header_bytes"`
	TrustedProxies    []string      `mapstructure:"trusted_proxies"`
	Cookie            string        `mapstructure:"cookie"`
	CORS              CORS          `mapstructure:"cors"`
	TLS               TLS           `mapstructure:"tls"`
	H2C               bool          `mapstructure:"h2c"`
}

// TLS names the server's certificate. If neither file is set, the listener speaks plain HTTP.
type TLS struct {
	CertFile string `mapstructure:"cert_file"`
	KeyFile  string `mapstructure:"key_file"`
}

// Enabled reports whether the listener speaks TLS.
func (t TLS) Enabled() bool { return t.CertFile != "" || t.KeyFile != "" }

func (t TLS) validate() error {
	switch {
	case !t.Enabled():
		return nil
	case t.CertFile == "" || t.KeyFile == "":
		return errors.New("http.tls: cert_file and key_file must be set together (got one of them)")
	}
	if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
		return fmt.Errorf("http.tls: must be a certificate and its key in PEM: %w", err)
	}
	return nil
}

// CORS configures which pages of other origins may use the interface.
type CORS struct {
	Origins     []string `mapstructure:"origins"`
	Credentials bool     `mapstructure:"credentials"`
}

// anyOrigin allows pages of every origin, without credentials.
const anyOrigin = "*"

// Validate returns an error for every key that is out of range.
func (c Config) Validate() error {
	return errors.Join(
		checkAddr(c.Addr),
		check(c.ReadHeaderTimeout > 0, "http.read_header_timeout: must be greater than 0 (got %s)", c.ReadHeaderTimeout),
		check(c.ReadTimeout > 0, "http.read_timeout: must be greater than 0 (got %s)", c.ReadTimeout),
		check(c.IdleTimeout > 0, "http.idle_timeout: must be greater than 0 (got %s)", c.IdleTimeout),
		check(c.MaxHeaderBytes >= 4096 && c.MaxHeaderBytes <= 1<<20,
			"http.max_header_bytes: must be between 4096 and %d (got %d)", 1<<20, c.MaxHeaderBytes),
		c.checkProxies(),
		c.CORS.validate(),
		c.TLS.validate(),
		check(!c.H2C || !c.TLS.Enabled(), "http.h2c: must be false with http.tls, which negotiates HTTP/2 itself (got true)"),
	)
}

func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("http.addr: must be host:port or :port (got %q)", addr)
	}
	return nil
}

func (c Config) checkProxies() error {
	for _, p := range c.TrustedProxies {
		_, prefixErr := netip.ParsePrefix(p)
		_, addrErr := netip.ParseAddr(p)
		if prefixErr != nil && addrErr != nil {
			return fmt.Errorf("http.trusted_proxies: must be addresses and CIDR ranges (got %q)", p)
		}
	}
	return nil
}

// any reports whether pages of every origin are allowed.
func (c CORS) any() bool { return slices.Contains(c.Origins, anyOrigin) }

// defaultPort is the port that browsers omit from an origin (RFC 6454, 6.2).
var defaultPort = map[string]string{"http": "80", "https": "443"}

func (c CORS) validate() error {
	for _, origin := range c.Origins {
		if origin == anyOrigin {
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || origin != strings.ToLower(u.Scheme+"://"+u.Host) || u.Port() == defaultPort[u.Scheme] && u.Port() != "" {
			return fmt.Errorf("http.cors.origins: must be origins as browsers send them, such as https://app.example.com (got %q)", origin)
		}
	}
	if c.Credentials && c.any() {
		return errors.New("http.cors.credentials: must be false with the origin \"*\", or every site could act as its " +
			"visitors; list the origins instead (got true)")
	}
	return nil
}

func check(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}
