package sse

import (
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/transport/jsonevent"
)

// JSONCodec writes streams as Server-Sent Events whose data is the JSON event and whose type is always "message", so that
// a page hears every type, and sees topics and times, with one listener. Everything that is not an event for the page
// (the opening, heartbeats, bookmarks, reconnection times) is written as [Codec] writes it.
type JSONCodec struct{ Codec }

// ShowsTopics makes delivery write only the topics that a subscriber may see.
func (JSONCodec) ShowsTopics() {}

// AppendOpening is that of [Codec] except for the reset.
func (c JSONCodec) AppendOpening(b []byte, o pubsub.Opening, retry time.Duration) []byte {
	if o.Reset != nil {
		return c.AppendReset(AppendOpening(b, retry, event.Position{}), *o.Reset)
	}
	return c.Codec.AppendOpening(b, o, retry)
}

// AppendEvent writes an event.
func (JSONCodec) AppendEvent(b []byte, e event.Entry) ([]byte, error) {
	frame := AppendID(b, e.Position)
	if e.Event.Retry > 0 {
		frame = AppendRetry(frame, e.Event.Retry)
	}
	frame, err := jsonevent.AppendEvent(append(frame, "data: "...), e)
	if err != nil {
		return b, err
	}
	return append(frame, "\n\n"...), nil
}

// AppendReset writes a reset.
func (JSONCodec) AppendReset(b []byte, r pubsub.Reset) []byte {
	b = append(AppendID(b, r.At), "data: "...)
	return append(jsonevent.AppendReset(b, r, 0), "\n\n"...)
}

// AppendGoaway writes a goaway.
func (JSONCodec) AppendGoaway(b []byte, reason string, retry time.Duration) []byte {
	b = append(AppendRetry(b, retry), "data: "...)
	return append(jsonevent.AppendGoaway(b, reason, retry), "\n\n"...)
}

// AppendRefusal is that of [Codec], with the goaway as JSON.
func (c JSONCodec) AppendRefusal(b []byte, reason string, retry time.Duration) []byte {
	return c.AppendGoaway(b, reason, retry)
}
