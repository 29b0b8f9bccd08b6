package pubsub

import (
	"time"

	"carillon/internal/domain/event"
)

// Observer is notified of what the engine does, for example to count it. Its methods are called by publishers and
// shards, concurrently, and must be quick.
type Observer interface {
	// Published is called with the number of events that the log has appended, and their size.
	Published(events, bytes int)
	// Delivered is called once for each walk of a shard, with the number of events its live streams took and the time
	// since the oldest of them was published. A walk may be made while locks of the log are held, so it must not call it.
	Delivered(events int, lag time.Duration)
	// Replayed is called with the number of events that a stream took while it caught up.
	Replayed(events int)
	// Opened is called when a stream is attached.
	Opened()
	// Ended is called when an attached stream has ended.
	Ended(why EndReason)
	// Reset is called for each reset, at the start of a stream or later.
	Reset(reason ResetReason)

	// LogUnavailable is called when the log can no longer be reached or no longer takes events.
	LogUnavailable(cause error)
	// LogAvailable is called when it can be used again, with the time since LogUnavailable was called.
	LogAvailable(after time.Duration)
	// ReadFailed is called when the history could not be read although the log is available. The read is tried again.
	ReadFailed(cause error)
	// LogReplaced is called when another log took the place of the one with the old epoch.
	LogReplaced(old, replacement event.Epoch)
	// LogOvertook is called when the log trimmed entries before this node received them, with their number.
	LogOvertook(entries uint64)
}
