package sse

import (
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/transport/control"
)

// Types of control events, as a client of this format sees them.
const (
	TypeReset  = control.TypeReset
	TypeGoaway = control.TypeGoaway
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

// AppendReset writes a carillon.reset. Its id is the position from which the stream continues.
func AppendReset(b []byte, r pubsub.Reset) []byte {
	return appendControl(AppendID(b, r.At), control.TypeReset, control.ResetData(r))
}

// AppendGoaway writes a carillon.goaway: why the stream ends, and the reconnection time.
func AppendGoaway(b []byte, reason string, retry time.Duration) []byte {
	return appendControl(AppendRetry(b, retry), control.TypeGoaway, control.GoawayData(reason))
}

func appendControl(b []byte, name, data string) []byte {
	b = append(append(append(b, "event: "...), name...), '\n')
	return append(appendData(b, data), '\n')
}
