// Package bell is what the examples share: ringing Carillon with one HTTP request, and a site whose pages hear it.
// Nothing in it is needed to use Carillon; lift what you like.
package bell

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

// Bell is a Carillon server that events are published to.
type Bell struct {
	server *url.URL
	token  string
	client *http.Client
}

// New makes a bell of a server's URL and a token that may publish there.
func New(server, token string) (*Bell, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is no server's URL, such as http://localhost:8080", server)
	}
	return &Bell{server: u, token: token, client: &http.Client{Timeout: 10 * time.Second}}, nil
}

// Ring publishes one event: the query says its topic and type, the body is its data.
func (b *Bell) Ring(ctx context.Context, topic, kind string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("ringing %s: %w", topic, err)
	}
	return b.post(ctx, url.Values{"topic": {topic}, "type": {kind}}, "application/json", body)
}

// Event is one line of a batch.
type Event struct {
	Topic string `json:"topic"`
	Type  string `json:"type"`
	Data  any    `json:"data"`
}

// RingAll publishes several events with one request, all of them or none.
func (b *Bell) RingAll(ctx context.Context, events []Event) error {
	var lines bytes.Buffer
	for encoder := json.NewEncoder(&lines); len(events) > 0; events = events[1:] {
		if err := encoder.Encode(events[0]); err != nil {
			return fmt.Errorf("ringing %s: %w", events[0].Topic, err)
		}
	}
	return b.post(ctx, nil, "application/x-ndjson", lines.Bytes())
}

func (b *Bell) post(ctx context.Context, query url.Values, kind string, body []byte) error {
	target := b.server.JoinPath("events")
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ringing: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+b.token)
	request.Header.Set("Content-Type", kind)
	response, err := b.client.Do(request)
	if err != nil {
		return fmt.Errorf("ringing: %w", err)
	}
	defer response.Body.Close()
	if answer, _ := io.ReadAll(io.LimitReader(response.Body, 4096)); response.StatusCode/100 != 2 {
		return fmt.Errorf("ringing: %w", errors.New(response.Status+": "+string(answer)))
	}
	return nil
}
