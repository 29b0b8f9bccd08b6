package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"carillon/internal/domain/event"
)

// PublishRequest is an event to publish. The server validates it.
type PublishRequest struct {
	Topics []string
	Type   string // "" is "message"
	Data   string
	Retry  time.Duration // whole milliseconds; zero: unset
	Key    string        // idempotency key: the server publishes an event with a known key only once; "": none

	TraceParent string // the trace that the event is part of (W3C Trace Context), or ""
}

// Publish publishes one event and returns its id. A refusal is a [*ProblemError]. After any other error the event may have been
// published; sending it again with the same Key is safe.
func (c *Client) Publish(ctx context.Context, e PublishRequest) (string, error) {
	if err := e.check(); err != nil {
		return "", err
	}
	query := url.Values{"topic": e.Topics}
	if e.Type != "" {
		query.Set("type", e.Type)
	}
	if e.Retry != 0 {
		query.Set("retry", strconv.FormatInt(e.Retry.Milliseconds(), 10))
	}
	var response struct {
		ID string `json:"id"`
	}
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	if e.Key != "" {
		// With this header net/http also repeats the request when a reused connection breaks.
		header.Set("Idempotency-Key", e.Key)
	}
	if e.TraceParent != "" {
		header.Set("Traceparent", e.TraceParent)
	}
	err := c.post(ctx, query, header, []byte(e.Data), &response)
	if err == nil && response.ID == "" {
		err = errResponse
	}
	return response.ID, err
}

// maxResponse bounds what is read of a response, in bytes; an id has at most 64.
const maxResponse = 64 << 10

var errResponse = errors.New("the response is not one of a Carillon server")

// check refuses what an HTTP request would silently change. Everything else is for the server to validate.
func (e PublishRequest) check() error {
	if !headerSafe(e.Key) {
		return &event.InvalidError{Field: "key", Problem: "contains control characters, or begins or ends with a space"}
	}
	if !headerSafe(e.TraceParent) {
		return &event.InvalidError{Field: "traceparent", Problem: "contains control characters, or begins or ends with a space"}
	}
	return event.CheckRetry(e.Retry)
}

func (c *Client) post(ctx context.Context, query url.Values, header http.Header, body []byte, response any) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := c.request(ctx, http.MethodPost, query)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	req.Body, _ = bodyOf(body)()
	req.GetBody = bodyOf(body) // to send it again on a new connection, or after a redirect
	req.ContentLength = int64(len(body))
	maps.Copy(req.Header, header)
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return problemOf(resp)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if err != nil {
		return fmt.Errorf("reading the response: %w", err)
	}
	if json.Unmarshal(text, response) != nil {
		return errResponse
	}
	return nil
}

func bodyOf(body []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		if len(body) == 0 {
			return http.NoBody, nil
		}
		return io.NopCloser(bytes.NewReader(body)), nil
	}
}
