package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// newEvent returns the event that a request describes, if its sender may publish it.
func newEvent(limits Limits, rights access.Rights, req Request) (e event.Event, err error) {
	if e.Topics, err = parseTopics(limits, rights, req.Topics); err != nil {
		return e, err
	}
	if e.Type, err = event.ParseType(req.Type); err != nil {
		return e, err
	}
	if e.Retry, err = parseRetry(req.Retry); err != nil {
		return e, err
	}
	if e.Key, err = scopedKey(rights, req.Key); err != nil {
		return e, err
	}
	data := req.Data
	if req.ReadData != nil {
		if data, err = req.ReadData(limits.EventBytes); err != nil {
			return e, err
		}
	}
	if int64(len(data)) > limits.EventBytes {
		return e, fmt.Errorf("the data has more than %d bytes: %w", limits.EventBytes, ErrTooLarge)
	}
	e.Data, err = event.ParseData(data)
	return e, err
}

// parseTopics returns an event's topics without duplicates. The sender needs the right to publish to each of them.
func parseTopics(limits Limits, rights access.Rights, texts []string) ([]event.Topic, error) {
	if len(texts) == 0 {
		return nil, &event.InvalidError{Field: "topic", Problem: "is missing"}
	}
	if limit := limits.TopicsPerEvent; len(texts) > limit {
		return nil, &event.InvalidError{Field: "topic", Problem: fmt.Sprintf("is given %d times, at most %d are allowed", len(texts), limit)}
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
	for _, topic := range topics {
		if !rights.Publish.Allows(topic) {
			return nil, fmt.Errorf("topic %q is %w", topic.String(), access.ErrForbidden)
		}
	}
	return topics, nil
}

// parseRetry returns a reconnection time given in milliseconds, as the field is written in a stream.
func parseRetry(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	ms, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, event.CheckRetry(-1) // it says what may be given, a number that is too large included
	}
	retry := time.Duration(ms) * time.Millisecond
	return retry, event.CheckRetry(retry)
}

// scopedKey returns a client's idempotency key within the client's own scope: two publishers may use the same key, and
// no client's key equals one that the server uses itself.
func scopedKey(rights access.Rights, text string) (event.Key, error) {
	if text == "" {
		return event.Key{}, nil
	}
	if _, err := event.ParseKey(text); err != nil {
		return event.Key{}, err
	}
	owner := sha256.Sum256([]byte(rights.Subject))
	key := sha256.Sum256([]byte(text))
	return event.ParseKey("client/" + hex.EncodeToString(owner[:8]) + "/" + hex.EncodeToString(key[:16]))
}
