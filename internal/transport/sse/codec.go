package sse

import (
	"net/http"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// MediaType is the media type of an event stream.
const MediaType = "text/event-stream"

// Codec writes streams as Server-Sent Events. It is the codec that package delivery is given for them.
type Codec struct{}

// SetHeader sets the media type.
func (Codec) SetHeader(h http.Header) { h.Set("Content-Type", MediaType) }

// AppendOpening writes the opening, with a bookmark where the client does not know its position yet, and a reset where
// the stream cannot start where the client asked.
func (Codec) AppendOpening(b []byte, o pubsub.Opening, retry time.Duration) []byte {
	if o.Reset != nil {
		return AppendReset(AppendOpening(b, retry, event.Position{}), *o.Reset) // the reset's id is the bookmark
	}
	if o.Resumed {
		o.At = event.Position{}
	}
	return AppendOpening(b, retry, o.At)
}

// AppendEvent is [AppendEvent].
func (Codec) AppendEvent(b []byte, e event.Entry) ([]byte, error) { return AppendEvent(b, e) }

// AppendHeartbeat is [AppendHeartbeat].
func (Codec) AppendHeartbeat(b []byte, at event.Position) []byte { return AppendHeartbeat(b, at) }

// AppendReset is [AppendReset].
func (Codec) AppendReset(b []byte, r pubsub.Reset) []byte { return AppendReset(b, r) }

// AppendGoaway is [AppendGoaway].
func (Codec) AppendGoaway(b []byte, reason string, retry time.Duration) []byte {
	return AppendGoaway(b, reason, retry)
}

// AppendRefusal writes what a client is sent in place of a stream. A browser's EventSource never reconnects after any
// status but 200, so it gets a stream with the reason and the reconnection time that ends.
func (Codec) AppendRefusal(b []byte, reason string, retry time.Duration) []byte {
	return AppendGoaway(b, reason, retry)
}
