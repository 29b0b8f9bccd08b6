// Package doctor examines what lies between a client and a server of Server-Sent Events: proxies that buffer, compress,
// cache or cut streams, headers that get lost, and responses that are replaced.
//
// It sends requests that a browser could send, and measures when the bytes of the responses arrive. It publishes
// nothing. It recognises Carillon by the comment that opens its streams, and can check more of it than of other
// servers.
//
// Each check is a [Check] in a file of its own. All of them share one [Target], which keeps what is expensive to
// observe, such as a live stream.
package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config configures what to examine, and for how long.
type Config struct {
	URL    string // of an event stream; without a path it is that of /events
	Token  string // bearer token; "" sends none
	Origin string // origin of the pages that shall use the server, such as https://app.example.com; "" skips CORS
	Cookie string // NAME=VALUE, sent with every request; "" sends none

	Timeout     time.Duration // for the head of a response; a path that has not passed it on by then holds it back
	Watch       time.Duration // how long a live stream is watched for buffering
	IdleTimeout time.Duration // how long a quiet stream is watched; 0 skips that

	TLS      *tls.Config                                                 // nil is the system's roots
	Progress func(check string, elapsed time.Duration, of time.Duration) // called about every second of a long check; may be nil
}

// Validate returns an error that names the field that is wrong, and never the token.
func (c Config) Validate() error {
	if _, err := streamURL(c.URL); err != nil {
		return err
	}
	if c.Origin != "" {
		o, err := url.Parse(c.Origin)
		if err != nil || o.Scheme == "" || o.Host == "" || c.Origin != o.Scheme+"://"+o.Host {
			return fmt.Errorf("origin must be a scheme and a host such as https://app.example.com (got %q)", c.Origin)
		}
	}
	if name, _, found := strings.Cut(c.Cookie, "="); c.Cookie != "" && (!found || name == "" || !headerSafe(c.Cookie)) {
		return errors.New("cookie must be NAME=VALUE")
	}
	if !headerSafe(c.Token) {
		return errors.New("token holds a character that no header can carry")
	}
	switch {
	case c.Timeout <= 0:
		return fmt.Errorf("timeout must be more than 0 (got %v)", c.Timeout)
	case c.Watch <= 0:
		return fmt.Errorf("watch must be more than 0 (got %v)", c.Watch)
	case c.IdleTimeout < 0:
		return fmt.Errorf("idle-timeout must not be less than 0 (got %v)", c.IdleTimeout)
	}
	return nil
}

// Check examines one aspect of the way to a server.
type Check struct {
	Name string
	Run  func(context.Context, *Target) []Finding
}

// Checks returns all checks, in the order they run in: the longest comes last.
func Checks() []Check {
	return []Check{
		{"head", checkHead},
		{"buffering", checkBuffering},
		{"compression", checkCompression},
		{"caching", checkCaching},
		{"path", checkPath},
		{"http", checkHTTP},
		{"resume", checkResume},
		{"cors", checkCORS},
		{"cookies", checkCookies},
		{"refusals", checkRefusals},
		{"clock", checkClock},
		{"idle", checkIdle},
	}
}

// Run runs all checks and returns what they found. It fails, without a report, when the server cannot be reached
// or the context ends.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, err
	}
	t, err := newTarget(cfg)
	if err != nil {
		return Report{}, err
	}
	defer t.close()
	start := time.Now()
	if err := t.observe(ctx); err != nil {
		return Report{}, err
	}
	report := Report{URL: t.url.Redacted(), Server: ServerUnknown, Started: start.UTC(), Level: OK}
	if t.isCarillon() {
		report.Server = ServerCarillon
	}
	for _, check := range Checks() {
		for _, f := range check.Run(ctx, t) {
			f.Check = check.Name
			report.Findings = append(report.Findings, f)
			report.Level = max(report.Level, f.Level)
		}
		if ctx.Err() != nil {
			return Report{}, context.Cause(ctx)
		}
	}
	report.Duration = milliseconds(time.Since(start))
	return report, nil
}
