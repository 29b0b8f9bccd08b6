// Package demo is shared by the examples: a client that publishes to Carillon with one HTTP request, and a web server for
// a page that receives the events. Using Carillon does not need it; copy what is useful.
package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

// Publish publishes one event: the query contains its topic and type, the body its data.
func (c *Client) Publish(ctx context.Context, topic, kind string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("publishing %s: %w", topic, err)
	}
	return c.post(ctx, url.Values{"topic": {topic}, "type": {kind}}, "application/json", body)
}

// Event is one line of a batch.
type Event struct {
	Topic string `json:"topic"`
	Type  string `json:"type"`
	Data  any    `json:"data"`
}

// PublishBatch publishes several events with one request, all of them or none.
func (c *Client) PublishBatch(ctx context.Context, events []Event) error {
	var lines bytes.Buffer
	for encoder := json.NewEncoder(&lines); len(events) > 0; events = events[1:] {
		if err := encoder.Encode(events[0]); err != nil {
			return fmt.Errorf("publishing %s: %w", events[0].Topic, err)
		}
	}
	return c.post(ctx, nil, "application/x-ndjson", lines.Bytes())
}

func (c *Client) post(ctx context.Context, query url.Values, kind string, body []byte) error {
	target := c.server.JoinPath("events")
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", kind)
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(io.LimitReader(response.Body, 4096)); response.StatusCode/100 != 2 {
		return fmt.Errorf("publishing: %w", errors.New(response.Status+": "+string(text)))
	}
	return nil
}
