package delivery

import (
	"net/http"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// Codec is a format that streams are written in. Its methods append to b what the body of a response holds; chunks,
// compression and connections are the concern of the server. They may be called concurrently and must not block: a
// shard calls them while other streams wait.
type Codec interface {
	// SetHeader sets the media type and the other headers that are the format's own.
	SetHeader(h http.Header)

	// AppendOpening writes what a stream begins with, before any event: where it starts, and after which time a client
	// that is disconnected reconnects. It is not empty: proxies pass a response's head on with the first bytes of its
	// body.
	AppendOpening(b []byte, o pubsub.Opening, retry time.Duration) []byte

	// AppendEvent writes an event. What it writes depends on nothing but the entry, because streams share it. An error
	// ends every stream that the event is for, since none may miss an event unnoticed.
	AppendEvent(b []byte, e event.Entry) ([]byte, error)

	// AppendHeartbeat writes a heartbeat. Unless the position is zero, the heartbeat also tells the client that it has
	// received everything up to that position.
	AppendHeartbeat(b []byte, at event.Position) []byte

	// AppendReset writes to a running stream that events are missing.
	AppendReset(b []byte, r pubsub.Reset) []byte

	// AppendGoaway writes the end of a stream: why it ends, when to reconnect, and what a body of the format must end
	// with. It is not called for clients that are no longer there.
	AppendGoaway(b []byte, reason string, retry time.Duration) []byte
}

// TopicShower is a [Codec] that writes the topics of events. The entries that it is given have only the topics that the
// stream's subscriber asked for and may see.
type TopicShower interface {
	ShowsTopics() // only marks the codec
}

// Refuser is a [Codec] whose clients must be refused with a response of the format itself, because they do not
// reconnect after any status but 200.
type Refuser interface {
	// AppendRefusal writes the whole body of such a response: why there is no stream now, and when to reconnect.
	AppendRefusal(b []byte, reason string, retry time.Duration) []byte
}
