package sse

import (
	"encoding/json"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// Types of control events. Publishers cannot use them: they begin with [event.ReservedPrefix].
const (
	TypeReset  = event.ReservedPrefix + "reset"
	TypeGoaway = event.ReservedPrefix + "goaway"
)

// AppendOpening writes what every stream begins with: the reconnection time, a comment that makes proxies pass the head
// on, and a bookmark unless the position is zero, so that a client that is disconnected before its first event can resume.
func AppendOpening(b []byte, retry time.Duration, at event.Position) []byte {
	b = AppendRetry(b, retry)
	return appendBookmark(append(b, ": carillon\n"...), at)
}

// AppendHeartbeat writes a heartbeat: a comment, and a bookmark unless the position is zero.
func AppendHeartbeat(b []byte, at event.Position) []byte {
	return appendBookmark(append(b, ":\n"...), at)
}

// appendBookmark writes an id line and the blank line that makes it count, or nothing for the zero position. Comments and
// retry lines count without a blank line, and several clients dispatch an empty event for each one.
func appendBookmark(b []byte, at event.Position) []byte {
	if at.IsZero() {
		return b
	}
	return append(AppendID(b, at), '\n')
}

// AppendReset writes a carillon.reset. Its id is the position from which the stream continues. What the client
// requested is left empty unless it is printable text.
func AppendReset(b []byte, r pubsub.Reset) []byte {
	if !plain(r.Requested) {
		r.Requested = ""
	}
	return appendControl(AppendID(b, r.At), TypeReset, struct {
		Reason    pubsub.ResetReason `json:"reason"`
		Requested string             `json:"requested"`
		Oldest    string             `json:"oldest"`
		Newest    string             `json:"newest"`
	}{r.Reason, r.Requested, written(r.Oldest), written(r.Newest)})
}

// AppendGoaway writes a carillon.goaway: why the stream ends, and the reconnection time.
func AppendGoaway(b []byte, reason string, retry time.Duration) []byte {
	return appendControl(AppendRetry(b, retry), TypeGoaway, struct {
		Reason string `json:"reason"`
	}{reason})
}

func appendControl(b []byte, name string, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // strings always have a JSON form
	}
	b = append(append(append(b, "event: "...), name...), '\n')
	return append(appendData(b, string(text)), '\n')
}

func written(at event.Position) string {
	if at.IsZero() {
		return ""
	}
	return at.String()
}
