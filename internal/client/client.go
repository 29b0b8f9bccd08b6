// Package client is a client of Carillon's HTTP interface: it publishes events and subscribes to streams.
//
// Guarantees:
//
//   - An id that [Client.Publish] returns was acknowledged by the server; a refusal is a [*ProblemError] with the server's
//     text and code.
//   - [Client.Subscribe] reconnects after every interruption and resumes after the last event it delivered. It returns
//     only on errors that a later attempt would repeat.
//   - It closes a connection on which the server is silent, so that a broken connection is not mistaken for a topic without events.
//   - The token is sent only to the configured server, also after redirects, and no error contains it.
package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// Config configures the server and the time limits.
type Config struct {
	URL   string `mapstructure:"url"`   // of the server, such as http://localhost:8080, or of its route /events; another path is kept as a prefix
	Token string `mapstructure:"token"` // bearer token; "" sends none

	Timeout  time.Duration `mapstructure:"timeout"`   // for a publish, and for the response header of a stream
	Silence  time.Duration `mapstructure:"silence"`   // a stream without a byte for this long is closed; several heartbeats
	Retry    time.Duration `mapstructure:"retry"`     // wait before reconnecting, until the server sends a retry time
	MaxRetry time.Duration `mapstructure:"max_retry"` // bound of the wait, which doubles while connecting fails
	MaxEvent int           `mapstructure:"max_event"` // maximum size of the data of an event, in bytes
}

// Validate returns an error that names the first invalid key. The error does not contain the token.
func (c Config) Validate() error {
	_, err := c.events()
	if err != nil {
		return err
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"timeout", c.Timeout}, {"silence", c.Silence}, {"retry", c.Retry}, {"max_retry", c.MaxRetry}} {
		if d.value <= 0 {
			return fmt.Errorf("%s: must be above 0s (got %v)", d.key, d.value)
		}
	}
	switch {
	case c.MaxRetry < c.Retry:
		return fmt.Errorf("max_retry: must be at least retry, %v (got %v)", c.Retry, c.MaxRetry)
	case c.MaxEvent <= 0:
		return fmt.Errorf("max_event: must be above 0 (got %d)", c.MaxEvent)
	case !headerSafe(c.Token):
		return errors.New("token: must not contain a character that a header cannot carry")
	}
	return nil
}

// events returns the URL of the route that the client uses.
func (c Config) events() (*url.URL, error) {
	const problem = "url: must be an address such as http://localhost:8080"
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New(problem) // the text may contain a password
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%s (got %q)", problem, u.Redacted())
	}
	if path.Base(u.Path) == "events" {
		u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
		return u, nil
	}
	return u.JoinPath("events"), nil
}

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	cfg    Config
	events url.URL
	http   *http.Client
}

// New returns a client that uses a transport. With nil it uses a transport of its own, with the proxy settings of the
// environment.
func New(cfg Config, transport http.RoundTripper) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	events, err := cfg.events()
	if err != nil {
		return nil, err
	}
	if transport == nil {
		transport = newTransport()
	}
	return &Client{cfg: cfg, events: *events, http: &http.Client{Transport: transport, CheckRedirect: checkRedirect}}, nil
}

// newTransport returns a transport that keeps as many idle connections to its one server as a publisher with many
// goroutines needs.
func newTransport() http.RoundTripper {
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := standard.Clone()
	t.MaxIdleConnsPerHost = t.MaxIdleConns
	return t
}

// Close closes idle connections. Requests in progress continue.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// checkRedirect follows a redirect only within the configured server, and only if it keeps the method: a POST that
// became a GET would open a stream instead of publishing. Any other redirect is returned to the caller.
func checkRedirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) >= 10 || next.Method != first.Method || next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

func (c *Client) request(ctx context.Context, method string, query url.Values) (*http.Request, error) {
	u := c.events
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	if c.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	return req, nil
}

// headerSafe reports whether a header transports text unchanged: it has no control characters, and no spaces at its
// ends, which the receiver would trim (RFC 9110, 5.5).
func headerSafe(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] == 0x7f {
			return false
		}
	}
	return text == "" || text[0] != ' ' && text[len(text)-1] != ' '
}
