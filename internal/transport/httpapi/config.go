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

// Config is how the public listener behaves. Its keys live under "http".
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

// TLS names the server's certificate; with neither file set the listener speaks plain HTTP.
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
		return errors.New("http.tls: got one of cert_file and key_file, takes both or neither")
	}
	if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
		return fmt.Errorf("http.tls: takes a certificate and its key in PEM: %w", err)
	}
	return nil
}

// CORS says which pages of other origins may use the interface.
type CORS struct {
	Origins     []string `mapstructure:"origins"`
	Credentials bool     `mapstructure:"credentials"`
}

// anyOrigin lets pages of every origin in, without credentials.
const anyOrigin = "*"

// Validate names every key that is out of range.
func (c Config) Validate() error {
	return errors.Join(
		checkAddr(c.Addr),
		check(c.ReadHeaderTimeout > 0, "http.read_header_timeout: got %s, takes a duration above 0", c.ReadHeaderTimeout),
		check(c.ReadTimeout > 0, "http.read_timeout: got %s, takes a duration above 0", c.ReadTimeout),
		check(c.IdleTimeout > 0, "http.idle_timeout: got %s, takes a duration above 0", c.IdleTimeout),
		check(c.MaxHeaderBytes >= 4096 && c.MaxHeaderBytes <= 1<<20,
			"http.max_header_bytes: got %d, takes a number from 4096 to %d", c.MaxHeaderBytes, 1<<20),
		c.checkProxies(),
		c.CORS.validate(),
		c.TLS.validate(),
		check(!c.H2C || !c.TLS.Enabled(), "http.h2c: got true together with http.tls, which speaks HTTP/2 anyway"),
	)
}

func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("http.addr: got %q, takes host:port or :port", addr)
	}
	return nil
}

func (c Config) checkProxies() error {
	for _, p := range c.TrustedProxies {
		_, prefixErr := netip.ParsePrefix(p)
		_, addrErr := netip.ParseAddr(p)
		if prefixErr != nil && addrErr != nil {
			return fmt.Errorf("http.trusted_proxies: got %q, takes addresses and CIDR ranges", p)
		}
	}
	return nil
}

// any reports whether pages of every origin are let in.
func (c CORS) any() bool { return slices.Contains(c.Origins, anyOrigin) }

// defaultPort is what browsers leave out of an origin (RFC 6454, 6.2).
var defaultPort = map[string]string{"http": "80", "https": "443"}

func (c CORS) validate() error {
	for _, origin := range c.Origins {
		if origin == anyOrigin {
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || origin != strings.ToLower(u.Scheme+"://"+u.Host) || u.Port() == defaultPort[u.Scheme] && u.Port() != "" {
			return fmt.Errorf("http.cors.origins: got %q, takes origins as browsers send them, such as https://app.example.com", origin)
		}
	}
	if c.Credentials && c.any() {
		return errors.New("http.cors.credentials: got true together with the origin \"*\", which would let every " +
			"site act as its visitors; takes true only with a list of origins")
	}
	return nil
}

// Limits bound what clients may ask for. Their keys live under "limits".
type Limits struct {
	MaxStreams      int     `mapstructure:"max_streams"`
	MaxStreamsPerIP int     `mapstructure:"max_streams_per_ip"`
	TopicsPerStream int     `mapstructure:"topics_per_stream"`
	TopicsPerEvent  int     `mapstructure:"topics_per_event"`
	EventBytes      int64   `mapstructure:"event_bytes"`
	BatchEvents     int     `mapstructure:"batch_events"`
	BatchBytes      int64   `mapstructure:"batch_bytes"`
	PublishRate     float64 `mapstructure:"publish_rate"`
	PublishBurst    int     `mapstructure:"publish_burst"`
}

// Validate names every key that is out of range.
func (l Limits) Validate() error {
	return errors.Join(
		check(l.MaxStreams >= 0, "limits.max_streams: got %d, takes a number of streams, or 0 to derive it from the file limit", l.MaxStreams),
		check(l.MaxStreamsPerIP >= 0, "limits.max_streams_per_ip: got %d, takes a number of streams, or 0 for no limit", l.MaxStreamsPerIP),
		check(l.TopicsPerStream >= 1, "limits.topics_per_stream: got %d, takes a number above 0", l.TopicsPerStream),
		check(l.TopicsPerEvent >= 1, "limits.topics_per_event: got %d, takes a number above 0", l.TopicsPerEvent),
		check(l.EventBytes >= 1, "limits.event_bytes: got %d, takes a number of bytes above 0", l.EventBytes),
		check(l.BatchEvents >= 1, "limits.batch_events: got %d, takes a number above 0", l.BatchEvents),
		check(l.BatchBytes >= l.EventBytes, "limits.batch_bytes: got %d, takes at least limits.event_bytes (%d)", l.BatchBytes, l.EventBytes),
		check(l.PublishRate >= 0, "limits.publish_rate: got %g, takes events a second, or 0 for no limit", l.PublishRate),
		check(l.PublishRate == 0 || l.PublishBurst >= l.BatchEvents,
			"limits.publish_burst: got %d, takes at least limits.batch_events (%d), or no batch of that size could pass", l.PublishBurst, l.BatchEvents),
	)
}

func check(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}
