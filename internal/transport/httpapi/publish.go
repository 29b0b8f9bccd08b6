package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// publish answers POST /events: one event whose data is the body, or a batch of them.
func (a *API) publish(c *gin.Context) {
	rights, given, err := a.rights(c)
	if err == nil && !given {
		err = errNoToken
	}
	if err != nil {
		a.fail(c, err)
		return
	}
	query, err := queryOf(c.Request)
	if err != nil {
		a.fail(c, err)
		return
	}
	if kind, _, _ := mime.ParseMediaType(c.ContentType()); kind == "application/x-ndjson" {
		a.publishBatch(c, rights, query)
		return
	}
	e, err := a.eventOf(c, rights, query)
	if err == nil {
		err = a.rates.take(rights.Subject, 1)
	}
	if err != nil {
		a.fail(c, err)
		return
	}
	positions, err := a.deps.Publisher.Publish(c.Request.Context(), e)
	if err != nil {
		a.fail(c, err)
		return
	}
	c.Data(http.StatusCreated, "application/json", append(positions[0].Append([]byte(`{"id":"`)), "\"}\n"...))
}

// eventOf reads one event from the query, the headers and the body.
func (a *API) eventOf(c *gin.Context, rights access.Rights, query url.Values) (e event.Event, err error) {
	if e.Topics, err = a.topicsOf(query["topic"], rights); err != nil {
		return e, err
	}
	text, err := single(query, "type")
	if err != nil {
		return e, err
	}
	if e.Type, err = event.ParseType(text); err != nil {
		return e, err
	}
	if text, err = single(query, "retry"); err != nil {
		return e, err
	}
	if e.Retry, err = retryOf(text); err != nil {
		return e, err
	}
	keys := c.Request.Header.Values("Idempotency-Key")
	if len(keys) > 1 {
		return e, &event.InvalidError{Field: "key", Problem: "is given more than once"}
	}
	if e.Key, err = keyOf(c.GetHeader("Idempotency-Key"), rights); err != nil {
		return e, err
	}
	body, err := a.body(c, a.limits().EventBytes)
	if err != nil {
		return e, err
	}
	e.Data, err = event.ParseData(string(body))
	return e, err
}

// topicsOf reads an event's topics, all of which its sender must have the right to; one given twice counts once.
func (a *API) topicsOf(texts []string, rights access.Rights) ([]event.Topic, error) {
	if len(texts) == 0 {
		return nil, &event.InvalidError{Field: "topic", Problem: "is missing"}
	}
	if limit := a.limits().TopicsPerEvent; len(texts) > limit {
		return nil, &event.InvalidError{Field: "topic", Problem: "is given " + strconv.Itoa(len(texts)) + " times, at most " + strconv.Itoa(limit) + " are allowed"}
	}
	topics := make([]event.Topic, 0, len(texts))
	for _, text := range texts {
		topic, err := event.ParseTopic(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(topics, topic) {
			topics = append(topics, topic)
		}
	}
	if !slices.ContainsFunc(topics, func(t event.Topic) bool { return !rights.Publish.Allows(t) }) {
		return topics, nil
	}
	return nil, errForbidden
}

// retryOf reads a reconnection time in milliseconds, as the field is written in a stream.
func retryOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	ms, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, &event.InvalidError{Field: "retry", Problem: "is not a number of milliseconds"}
	}
	retry := time.Duration(ms) * time.Millisecond
	return retry, event.CheckRetry(retry)
}

// keyOf makes a client's idempotency key its own: two publishers may use the same key, and none can meet a key that
// the server uses itself.
func keyOf(text string, rights access.Rights) (event.Key, error) {
	if text == "" {
		return event.Key{}, nil
	}
	if _, err := event.ParseKey(text); err != nil {
		return event.Key{}, err
	}
	owner := sha256.Sum256([]byte(rights.Subject))
	key := sha256.Sum256([]byte(text))
	return event.ParseKey("http/" + hex.EncodeToString(owner[:8]) + "/" + hex.EncodeToString(key[:16]))
}

// body reads a request's body of at most limit bytes, all of which must have come in time.
func (a *API) body(c *gin.Context, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fmt.Errorf("the body has more than %d bytes: %w", limit, errTooLarge)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errSlowBody
	case err != nil:
		return nil, &event.InvalidError{Field: "body", Problem: "could not be read"}
	}
	// The whole body is here; from now on net/http watches the connection for its end, which may take longer.
	_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Time{})
	return body, nil
}
