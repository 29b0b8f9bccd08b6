package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"carillon/internal/domain/event"
)

// PublishRequest is an event as its publisher writes it. The server checks it.
type PublishRequest struct {
	Topics []string
	Type   string // "" is "message"
	Data   string
	Retry  time.Duration // whole milliseconds; zero says nothing
	Key    string        // publishing the same key again publishes nothing; "" is none
}

// Publish sends one event and answers its id. A refusal is a [*ProblemError]. After any other error the event may have been
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
	var answer struct {
		ID string `json:"id"`
	}
	err := c.post(ctx, query, "text/plain; charset=utf-8", e.Key, []byte(e.Data), &answer)
	if err == nil && answer.ID == "" {
		err = errAnswer
	}
	return answer.ID, err
}

// PublishBatch sends events in one request and answers their ids, in order. All are published, or, when one is
// refused, none; the [*ProblemError] then has its line.
func (c *Client) PublishBatch(ctx context.Context, events []PublishRequest) ([]string, error) {
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	lines.SetEscapeHTML(false)
	for i, e := range events {
		if err := e.checkText(); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if err := lines.Encode(batchLine{e.Topics, e.Type, e.Data, e.Retry.Milliseconds(), e.Key}); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	var answer struct {
		IDs []string `json:"ids"`
	}
	err := c.post(ctx, nil, "application/x-ndjson", "", body.Bytes(), &answer)
	if err == nil && len(answer.IDs) != len(events) {
		err = errAnswer
	}
	return answer.IDs, err
}

type batchLine struct {
	Topic []string `json:"topic"`
	Type  string   `json:"type,omitempty"`
	Data  string   `json:"data"`
	Retry int64    `json:"retry,omitempty"` // milliseconds
	Key   string   `json:"key,omitempty"`
}

var errAnswer = errors.New("the answer is not one of a Carillon server")

// check refuses what a request would silently change on its way. All else is for the server to judge.
func (e PublishRequest) check() error {
	if !headerSafe(e.Key) {
		return &event.InvalidError{Field: "key", Problem: "holds control characters, or begins or ends with a space"}
	}
	return event.CheckRetry(e.Retry)
}

// checkText refuses what JSON would silently change.
func (e PublishRequest) checkText() error {
	for _, named := range []struct{ field, text string }{
		{"topic", strings.Join(e.Topics, " ")}, {"type", e.Type}, {"data", e.Data}, {"key", e.Key},
	} {
		if !utf8.ValidString(named.text) {
			return &event.InvalidError{Field: named.field, Problem: "is not valid UTF-8"}
		}
	}
	return event.CheckRetry(e.Retry)
}

func (c *Client) post(ctx context.Context, query url.Values, kind, key string, body []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := c.request(ctx, http.MethodPost, query)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	req.Body, _ = bodyOf(body)()
	req.GetBody = bodyOf(body) // to send it again on a new connection, or after a redirect
	req.ContentLength = int64(len(body))
	req.Header.Set("Content-Type", kind)
	if key != "" {
		// net/http also takes the header for leave to send the request again when a reused connection breaks.
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return problemOf(resp)
	}
	// An id has at most 64 bytes and an event of a batch more, so no answer is much longer than its request.
	text, err := io.ReadAll(io.LimitReader(resp.Body, int64(8*len(body)+(64<<10))))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if json.Unmarshal(text, answer) != nil {
		return errAnswer
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
