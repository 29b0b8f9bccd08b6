package ws

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"carillon/internal/app/subscribe"
	"carillon/internal/domain/event"
	"carillon/internal/transport/jsonevent"
)

// frame is what a client sends: exactly one of the fields.
type frame struct {
	Subscribe   *subscribeFrame   `json:"subscribe"`
	Unsubscribe *unsubscribeFrame `json:"unsubscribe"`
	Publish     *publishFrame     `json:"publish"`
	Token       *tokenFrame       `json:"token"`
}

// subscribeFrame asks for a subscription. At most one of After, Last, Since and Latest is given.
type subscribeFrame struct {
	Name   string   `json:"name"`
	Topics []string `json:"topics"`
	After  string   `json:"after"`
	Last   *int64   `json:"last"`
	Since  string   `json:"since"`
	Latest bool     `json:"latest"`

	Presence string `json:"presence"`
}

// unsubscribeFrame ends a subscription.
type unsubscribeFrame struct {
	Name string `json:"name"`
}

// publishFrame is an event to publish, and what the client calls it: a number, or a short string.
type publishFrame struct {
	jsonevent.Line

	Ref json.RawMessage `json:"ref"`
}

// tokenFrame replaces the rights of the connection.
type tokenFrame struct {
	Value string `json:"value"`
}

const knownFrames = "subscribe, unsubscribe, publish and token"

// parseFrame reads a frame. It also returns what a frame that is refused refers to, as far as it can be read.
func parseFrame(text []byte) (frame, subject, error) {
	f, err := decodeFrame(text)
	if err != nil {
		return f, subjectOf(text), err
	}
	if f.Publish != nil && !validRef(f.Publish.Ref) {
		return f, subject{}, &event.InvalidError{Field: "ref", Problem: "is neither a number nor a string, of at most 64 bytes"}
	}
	return f, subject{}, nil
}

func decodeFrame(text []byte) (f frame, err error) {
	if err := jsonevent.CheckText(text); err != nil {
		return f, &event.InvalidError{Field: "frame", Problem: err.Error()}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		if wrong, is := errors.AsType[*json.UnmarshalTypeError](err); is && wrong.Field != "" {
			return f, &event.InvalidError{Field: "frame", Problem: "has a field of a wrong type: " + wrong.Field}
		}
		if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown { // encoding/json has no type for it
			return f, &event.InvalidError{Field: "frame", Problem: "has an unknown field " + name}
		}
		return f, &event.InvalidError{Field: "frame", Problem: "is not a JSON object with one of " + knownFrames}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return f, &event.InvalidError{Field: "frame", Problem: "has more than one JSON object"}
	}
	fields := 0
	for _, given := range []bool{f.Subscribe != nil, f.Unsubscribe != nil, f.Publish != nil, f.Token != nil} {
		if given {
			fields++
		}
	}
	if fields != 1 {
		return f, &event.InvalidError{Field: "frame", Problem: "does not have exactly one of " + knownFrames}
	}
	return f, nil
}

// maxRef is the longest name that a client may give to an event or a subscription, in bytes.
const maxRef = 64

// validRef reports whether an answer may repeat ref. The text of a frame that was refused may have characters that are none.
func validRef(ref json.RawMessage) bool {
	scalar := len(ref) == 0 || ref[0] == '"' || ref[0] == '-' || ref[0] >= '0' && ref[0] <= '9'
	return scalar && len(ref) <= maxRef && jsonevent.CheckText(ref) == nil
}

// subject is what an answer refers to.
type subject struct {
	ref json.RawMessage // of an event
	sub string          // the name of a subscription
}

// subjectOf returns what a frame with some mistake refers to.
func subjectOf(text []byte) (s subject) {
	var lenient struct {
		Subscribe, Unsubscribe struct {
			Name string `json:"name"`
		}
		Publish struct {
			Ref json.RawMessage `json:"ref"`
		}
	}
	_ = json.Unmarshal(text, &lenient) // fields before a mistake are read
	if validRef(lenient.Publish.Ref) {
		s.ref = lenient.Publish.Ref
	}
	for _, name := range []string{lenient.Subscribe.Name, lenient.Unsubscribe.Name} {
		if checkName(name) == nil {
			s.sub = name
		}
	}
	return s
}

// request returns the subscription that a frame describes.
func (f *subscribeFrame) request() (req subscribe.Request, err error) {
	if err := checkName(f.Name); err != nil {
		return req, err
	}
	if len(f.Topics) == 0 {
		return req, &event.InvalidError{Field: "topic", Problem: "is missing"}
	}
	req = subscribe.Request{Topics: f.Topics, LastEventID: f.After, Since: f.Since, Latest: f.Latest, Presence: f.Presence}
	starts := 0
	if f.Last != nil {
		req.Last = strconv.FormatInt(*f.Last, 10)
	}
	for _, given := range []bool{req.LastEventID != "", req.Last != "", req.Since != "", req.Latest} {
		if given {
			starts++
		}
	}
	if starts > 1 {
		return req, &event.InvalidError{Field: "frame", Problem: "has more than one of after, last, since and latest"}
	}
	return req, nil
}

// checkName checks the name that a client gives to a subscription.
func checkName(name string) error {
	switch {
	case name == "":
		return &event.InvalidError{Field: "name", Problem: "is missing"}
	case len(name) > maxRef:
		return &event.InvalidError{Field: "name", Problem: "has more than 64 bytes"}
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !event.Printable(r) }):
		return &event.InvalidError{Field: "name", Problem: "has a character that is not allowed"}
	}
	return nil
}
