package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"carillon/internal/app/publish"
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

// publishBatch publishes a body of JSON objects, one per line: all of them or none.
func (a *API) publishBatch(c *gin.Context, rights access.Rights, query url.Values) error {
	for _, name := range []string{"topic", "type", "retry"} {
		if query.Has(name) {
			return &event.InvalidError{Field: name, Problem: "must be in each line of a batch, not in the query"}
		}
	}
	if c.GetHeader("Idempotency-Key") != "" {
		return &event.InvalidError{Field: "key", Problem: "must be in each line of a batch, not in the header"}
	}
	body, err := readBody(c, a.deps.Publisher.Limits().BatchBytes)
	if err != nil {
		return err
	}
	var lines []int // the number of each event's line, from 1
	number := 0
	appended, err := a.deps.Publisher.PublishBatch(c.Request.Context(), rights, func(yield func(publish.Request, error) bool) {
		for line := range bytes.Lines(body) {
			number++
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			lines = append(lines, number)
			if !yield(parseLine(line)) {
				return
			}
		}
	})
	if item, ok := errors.AsType[*publish.ItemError](err); ok {
		return &lineError{line: lines[item.Index], err: item.Err} // clients count lines, blank ones included
	}
	if err != nil {
		return err
	}
	response := []byte(`{"ids":[`)
	for i, event := range appended {
		if i > 0 {
			response = append(response, ',')
		}
		response = append(event.Position.Append(append(response, '"')), '"')
	}
	markReplayed(c, appended...)
	c.Data(http.StatusOK, "application/json", append(response, "]}\n"...))
	return nil
}

// parseLine returns the event that a line of a batch describes.
func parseLine(line []byte) (req publish.Request, err error) {
	if !utf8.Valid(line) {
		return req, &event.InvalidError{Field: "body", Problem: "is not valid UTF-8"}
	}
	if loneSurrogate(line) {
		return req, &event.InvalidError{Field: "body", Problem: "escapes half a surrogate pair, which is no character"}
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	var l batchLine
	if err := decoder.Decode(&l); err != nil {
		if wrong, is := errors.AsType[*json.UnmarshalTypeError](err); is && wrong.Field != "" {
			return req, &event.InvalidError{Field: wrong.Field, Problem: "is not a string"}
		}
		if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown { // encoding/json has no type for it
			return req, &event.InvalidError{Field: "body", Problem: "has an unknown field " + name + "; known are topic, data, type, retry and key"}
		}
		return req, &event.InvalidError{Field: "body", Problem: "is not a JSON object with topic, data, type, retry and key"}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return req, &event.InvalidError{Field: "body", Problem: "has more than one JSON object in a line"}
	}
	req = publish.Request{Type: l.Type, Retry: string(omitNull(l.Retry)), Key: l.Key, Data: dataText(l.Data)}
	req.Topics, err = stringList(l.Topic)
	return req, err
}

// omitNull treats null like a field that is left out.
func omitNull(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// stringList returns the value of a JSON string or list of strings.
func stringList(raw json.RawMessage) ([]string, error) {
	if len(omitNull(raw)) == 0 {
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

// dataText returns a line's data: the text of a string, or any other JSON in compact form.
func dataText(raw json.RawMessage) string {
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
// silently replace it.
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
