// Package ndjson is the wire format of streams of lines of JSON (newline-delimited JSON): a JSON event in each line, and
// an empty line as heartbeat.
package ndjson

import (
	"net/http"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/transport/jsonevent"
)

// MediaType is the media type of such a stream.
const MediaType = "application/x-ndjson"

// Codec writes streams as lines of JSON. Its clients are programs, so they are refused with a status.
type Codec struct{}

// SetHeader sets the media type.
func (Codec) SetHeader(h http.Header) { h.Set("Content-Type", MediaType) }

// ShowsTopics makes delivery write only the topics that a subscriber may see.
func (Codec) ShowsTopics() {}

// AppendOpening writes a bookmark or a reset, with the reconnection time.
func (Codec) AppendOpening(b []byte, o pubsub.Opening, retry time.Duration) []byte {
	return append(jsonevent.AppendOpening(b, o, retry), '\n')
}

// AppendEvent writes an event.
func (Codec) AppendEvent(b []byte, e event.Entry) ([]byte, error) {
	line, err := jsonevent.AppendEvent(b, e)
	if err != nil {
		return b, err
	}
	return append(line, '\n'), nil
}

// AppendHeartbeat writes an empty line, or a bookmark where there is a position.
func (Codec) AppendHeartbeat(b []byte, at event.Position) []byte {
	if at.IsZero() {
		return append(b, '\n')
	}
	return append(jsonevent.AppendBookmark(b, at, 0), '\n')
}

// AppendReset writes a reset.
func (Codec) AppendReset(b []byte, r pubsub.Reset) []byte {
	return append(jsonevent.AppendReset(b, r, 0), '\n')
}

// AppendGoaway writes a goaway.
func (Codec) AppendGoaway(b []byte, reason string, retry time.Duration) []byte {
	return append(jsonevent.AppendGoaway(b, reason, retry), '\n')
}
