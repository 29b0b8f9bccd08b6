package ws

import (
	"encoding/json"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/problem"
	"carillon/internal/transport/jsonevent"
)

// prefixOf returns what the events of a subscription begin with, in place of "{"; nil for the one without a name.
func prefixOf(name string) []byte {
	if name == "" {
		return nil
	}
	return append(jsonevent.AppendString([]byte(`{"sub":`), name), ',')
}

// publishedFrame says that the log has an event, and whether it had it before under the same key.
func publishedFrame(ref json.RawMessage, appended pubsub.Appended) []byte {
	b := append(make([]byte, 0, 48+len(ref)), `{"published":{`...)
	if len(ref) > 0 {
		b = append(append(append(b, `"ref":`...), ref...), ',')
	}
	b = append(appended.Position.Append(append(b, `"id":"`...)), '"')
	if appended.Repeated {
		b = append(b, `,"replayed":true`...)
	}
	return append(b, "}}"...)
}

// problemFrame says that something was refused: the document that a request would be answered with, what it refers to, and
// when to try again, in seconds.
func problemFrame(about subject, document problem.Document) []byte {
	type body struct {
		Ref json.RawMessage `json:"ref,omitempty"`
		Sub string          `json:"sub,omitempty"`
		problem.Document

		RetryAfter int64 `json:"retry_after,omitempty"`
	}
	text, err := json.Marshal(struct {
		Problem body `json:"problem"`
	}{body{about.ref, about.sub, document, int64((document.RetryAfter + time.Second - 1) / time.Second)}})
	if err != nil {
		panic(err) // the ref was read from JSON, and the rest is text
	}
	return text
}
