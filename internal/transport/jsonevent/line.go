package jsonevent

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"carillon/internal/app/publish"
	"carillon/internal/domain/event"
)

// Line is an event as publishers send it in JSON.
type Line struct {
	Topic json.RawMessage `json:"topic"` // a string, or a list of strings
	Type  string          `json:"type"`
	Data  json.RawMessage `json:"data"` // a string, or any JSON, which is published as compact text
	Retry json.RawMessage `json:"retry"`
	Key   string          `json:"key"`
}

// ParseLine returns the event that a line describes. Errors match [event.ErrInvalid].
func ParseLine(line []byte) (req publish.Request, err error) {
	if err := CheckText(line); err != nil {
		return req, &event.InvalidError{Field: "body", Problem: err.Error()}
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	var l Line
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
	return l.Request()
}

// Request returns the event as the use case takes it. Errors match [event.ErrInvalid].
func (l Line) Request() (req publish.Request, err error) {
	req = publish.Request{Type: l.Type, Retry: string(omitNull(l.Retry)), Key: l.Key, Data: dataText(l.Data)}
	req.Topics, err = stringList(l.Topic)
	return req, err
}

// Errors of [CheckText].
var (
	errUTF8      = errors.New("is not valid UTF-8")
	errSurrogate = errors.New("escapes half a surrogate pair, which is no character")
)

// CheckText returns an error for JSON text that the decoder would silently change: it replaces what is not UTF-8, and
// halves of surrogate pairs.
func CheckText(text []byte) error {
	if !utf8.Valid(text) {
		return errUTF8
	}
	if loneSurrogate(text) {
		return errSurrogate
	}
	return nil
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
	if bytes.IndexByte(line, '\\') < 0 {
		return false
	}
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
