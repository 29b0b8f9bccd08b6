// Package client is the other end of Carillon's HTTP interface: it publishes events and follows streams.
//
// It promises:
//
//   - an id that [Client.Publish] answers was acknowledged by the server; a refusal is a [*ProblemError] with the server's
//     own words and code;
//   - [Client.Subscribe] stays: it reconnects after every cut, resuming after the last event it handed over, and
//     gives up only on what waiting cannot mend;
//   - a server that has gone silent is left, so that a dead connection is not mistaken for a quiet topic;
//   - the token goes to the configured server and to no other, redirects included, and stands in no error.
package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Config says which server to talk to, and for how long to trust it.
type Config struct {
	URL   string `mapstructure:"url"`   // of the server, such as http://localhost:8080; a path is kept as a prefix
	Token string `mapstructure:"token"` // bearer token; "" sends none

	Timeout  time.Duration `mapstructure:"timeout"`   // for a publish, and for the head of a stream's answer
	Silence  time.Duration `mapstructure:"silence"`   // a stream without a byte for this long is dead; several heartbeats
	Retry    time.Duration `mapstructure:"retry"`     // wait before reconnecting, until the server tells its own
	MaxRetry time.Duration `mapstructure:"max_retry"` // what waits grow to while connecting keeps failing
	MaxEvent int           `mapstructure:"max_event"` // the most bytes of data an event may have
}

// Validate names the first key that is wrong, and never the token.
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

// events is the address of the one route the client uses.
func (c Config) events() (*url.URL, error) {
	const problem = "url: must be an address such as http://localhost:8080"
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New(problem) // the text may hold a password
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%s (got %q)", problem, u.Redacted())
	}
	return u.JoinPath("events"), nil
}

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	cfg    Config
	events url.URL
	http   *http.Client
}

// New makes a client over a transport; nil is one of its own, with the proxy settings of the environment.
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
	return &Client{cfg: cfg, events: *events, http: &http.Client{Transport: transport, CheckRedirect: stayHome}}, nil
}

// newTransport keeps as many idle connections to its one server as a publisher with many goroutines needs.
func newTransport() http.RoundTripper {
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := standard.Clone()
	t.MaxIdleConnsPerHost = t.MaxIdleConns
	return t
}

// Close lets go of idle connections. Requests that are under way are not disturbed.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// stayHome follows a redirect only within the server that was configured, and only if it keeps the method: a POST
// that turned into a GET would wait for a stream instead of publishing. Any other is answered to the caller.
func stayHome(next *http.Request, via []*http.Request) error {
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

// headerSafe reports whether a header carries text unchanged: it has no control characters, and no spaces around it
// that its reader would trim (RFC 9110, 5.5).
func headerSafe(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] == 0x7f {
			return false
		}
	}
	return text == "" || text[0] != ' ' && text[len(text)-1] != ' '
}
