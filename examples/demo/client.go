// Package demo is shared by the examples: a client that publishes to Carillon with one HTTP request, and a web server for
// a page that receives the events. Using Carillon does not need it; copy what is useful.
package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

// Client publishes events to a Carillon server.
type Client struct {
	server *url.URL
	token  string
	http   *http.Client
}

// NewClient returns a client for the server at a URL, with a token that may publish there.
func NewClient(server, token string) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("server: must be a URL such as http://localhost:8080 (got %q)", server)
	}
	return &Client{server: u, token: token, http: &http.Client{Timeout: 10 * time.Second}}, nil
}

// Publish publishes one event: the query contains its topic and type, the body its data. It returns when the server has
// acknowledged the event, however long that takes; see post.
func (c *Client) Publish(ctx context.Context, topic, kind string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("publishing %s: %w", topic, err)
	}
	header := http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {rand.Text()}}
	return c.post(ctx, url.Values{"topic": {topic}, "type": {kind}}, header, body)
}

// Event is one line of a batch.
type Event struct {
	Topic string `json:"topic"`
	Type  string `json:"type"`
	Data  any    `json:"data"`
	Key   string `json:"key"` // set by PublishBatch
}

// PublishBatch publishes several events with one request, all of them or none.
func (c *Client) PublishBatch(ctx context.Context, events []Event) error {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, e := range events {
		e.Key = rand.Text()
		if err := encoder.Encode(e); err != nil {
			return fmt.Errorf("publishing %s: %w", e.Topic, err)
		}
	}
	return c.post(ctx, nil, http.Header{"Content-Type": {"application/x-ndjson"}}, lines.Bytes())
}

const firstWait, longestWait = 100 * time.Millisecond, 5 * time.Second

// post sends a request until it is acknowledged, because a server that restarts is away for a moment or says that it is
// stopping. The server publishes an event with a known key only once, so an acknowledgement that got lost does no harm. It
// returns an error when the server refuses the request for good, or when the context ends.
func (c *Client) post(ctx context.Context, query url.Values, header http.Header, body []byte) error {
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		retryAfter, err := c.try(ctx, query, header, body)
		if err == nil || retryAfter < 0 || ctx.Err() != nil {
			return err
		}
		if wait == firstWait {
			_, _ = fmt.Fprintln(os.Stderr, "trying again:", err)
		}
		select {
		case <-time.After(max(wait, retryAfter)):
		case <-ctx.Done():
			return err
		}
	}
}

// try sends a request once. With an error it returns how long to wait at least before the next attempt, or -1 for none.
func (c *Client) try(ctx context.Context, query url.Values, header http.Header, body []byte) (time.Duration, error) {
	target := c.server.JoinPath("events")
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return -1, fmt.Errorf("publishing: %w", err)
	}
	request.Header = header.Clone()
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(request)
	if err != nil {
		return 0, fmt.Errorf("publishing: %w", err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	if response.StatusCode/100 == 2 {
		return 0, nil
	}
	err = fmt.Errorf("publishing: %w", errors.New(response.Status+": "+string(text)))
	if response.StatusCode < 500 && response.StatusCode != http.StatusTooManyRequests {
		return -1, err
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // 0 without one
	return time.Duration(seconds) * time.Second, err
}
