package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// batchLine is one event of a batch.
type batchLine struct {
	Topic json.RawMessage `json:"topic"`
	Type  string          `json:"type"`
	Data  json.RawMessage `json:"data"`
	Retry json.RawMessage `json:"retry"`
	Key   string          `json:"key"`
}

// publishBatch publishes a body of one JSON object a line, all of them or none.
func (a *API) publishBatch(c *gin.Context, rights access.Rights, query url.Values) {
	events, err := a.batchOf(c, rights, query)
	if err == nil {
		err = a.rates.take(rights.Subject, len(events))
	}
	if err != nil {
		a.fail(c, err)
		return
	}
	positions, err := a.deps.Publisher.Publish(c.Request.Context(), events...)
	if err != nil {
		a.fail(c, err)
		return
	}
	answer := []byte(`{"ids":[`)
	for i, p := range positions {
		if i > 0 {
			answer = append(answer, ',')
		}
		answer = append(p.Append(append(answer, '"')), '"')
	}
	c.Data(http.StatusOK, "application/json", append(answer, "]}\n"...))
}

func (a *API) batchOf(c *gin.Context, rights access.Rights, query url.Values) ([]event.Event, error) {
	for _, name := range []string{"topic", "type", "retry"} {
		if query.Has(name) {
			return nil, &event.InvalidError{Field: name, Problem: "belongs into each line of a batch, not into the query"}
		}
	}
	if c.GetHeader("Idempotency-Key") != "" {
		return nil, &event.InvalidError{Field: "key", Problem: "belongs into each line of a batch, not into the header"}
	}
	limits := a.limits()
	body, err := a.body(c, limits.BatchBytes)
	if err != nil {
		return nil, err
	}
	var events []event.Event
	number := 0
	for line := range bytes.Lines(body) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(events) == limits.BatchEvents {
			return nil, fmt.Errorf("the batch has more than %d events: %w", limits.BatchEvents, errTooLarge)
		}
		e, err := a.lineOf(line, rights)
		if err != nil {
			return nil, &lineError{line: number, err: err}
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return nil, &event.InvalidError{Field: "body", Problem: "has no events"}
	}
	return events, nil
}

func (a *API) lineOf(line []byte, rights access.Rights) (e event.Event, err error) {
	if !utf8.Valid(line) {
		return e, &event.InvalidError{Field: "body", Problem: "is not valid UTF-8"}
	}
	if loneSurrogate(line) {
		return e, &event.InvalidError{Field: "body", Problem: "escapes half a surrogate pair, which is no character"}
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	var l batchLine
	if err := decoder.Decode(&l); err != nil {
		if wrong, is := errors.AsType[*json.UnmarshalTypeError](err); is && wrong.Field != "" {
			return e, &event.InvalidError{Field: wrong.Field, Problem: "is not a string"}
		}
		return e, &event.InvalidError{Field: "body", Problem: "is not a JSON object with topic, data, type, retry and key"}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return e, &event.InvalidError{Field: "body", Problem: "has more than one JSON object in a line"}
	}
	topics, err := stringsOf(l.Topic)
	if err != nil {
		return e, err
	}
	if e.Topics, err = a.topicsOf(topics, rights); err != nil {
		return e, err
	}
	if e.Type, err = event.ParseType(l.Type); err != nil {
		return e, err
	}
	if e.Retry, err = retryOf(string(orNothing(l.Retry))); err != nil {
		return e, err
	}
	if e.Key, err = keyOf(l.Key, rights); err != nil {
		return e, err
	}
	data := textOf(l.Data)
	if limit := a.limits().EventBytes; int64(len(data)) > limit {
		return e, fmt.Errorf("the data has more than %d bytes: %w", limit, errTooLarge)
	}
	e.Data, err = event.ParseData(data)
	return e, err
}

// orNothing takes null for what is left out.
func orNothing(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// stringsOf reads a string or a list of strings.
func stringsOf(raw json.RawMessage) ([]string, error) {
	if len(orNothing(raw)) == 0 {
		return nil, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return many, nil
	}
	return nil, &event.InvalidError{Field: "topic", Problem: "is neither a string nor a list of strings"}
}

// textOf is a line's data: a string's text, or any other JSON as it was written.
func textOf(raw json.RawMessage) string {
	var text string
	if len(raw) == 0 || json.Unmarshal(raw, &text) == nil && raw[0] == '"' {
		return text
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return string(raw)
	}
	return compact.String()
}

// loneSurrogate reports whether JSON text escapes one half of a surrogate pair without the other. The decoder would
// silently put another character in its place.
func loneSurrogate(line []byte) bool {
	text := string(line)
	for {
		at := strings.IndexByte(text, '\\')
		if at < 0 || at+1 >= len(text) {
			return false
		}
		high, escaped := surrogate(text[at:])
		switch {
		case !escaped:
			text = text[at+2:]
			continue
		case high:
			if low, pair := surrogate(text[at+6:]); pair && !low {
				text = text[at+12:]
				continue
			}
		}
		return true
	}
}

// surrogate reports whether text begins with an escaped surrogate, and whether that is the first half of a pair.
func surrogate(text string) (high, escaped bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' || (text[2] != 'd' && text[2] != 'D') {
		return false, false
	}
	switch text[3] {
	case '8', '9', 'a', 'A', 'b', 'B':
		return true, true
	case 'c', 'C', 'd', 'D', 'e', 'E', 'f', 'F':
		return false, true
	}
	return false, false
}
