package pubsub

import "time"

// Observer receives what the engine does, for example to count it. Its methods are called by publishers and shards,
// concurrently, and must be quick.
type Observer interface {
	// Published is called with the number of events that the log has taken, and their size.
	Published(events, bytes int)
	// Delivered is called once for each walk of a shard, with the number of events its live streams took and the time
	// since the oldest of them was published.
	Delivered(events int, lag time.Duration)
	// Replayed is called with the number of events that a stream took while it caught up.
	Replayed(events int)
	// Opened is called when a stream is attached.
	Opened()
	// Ended is called when an attached stream has ended.
	Ended(why EndReason)
	// Reset is called for each reset, at the start of a stream or later.
	Reset(reason ResetReason)
}

// Unobserved is an [Observer] that does nothing.
type Unobserved struct{}

// Published does nothing.
func (Unobserved) Published(int, int) {}

// Delivered does nothing.
func (Unobserved) Delivered(int, time.Duration) {}

// Replayed does nothing.
func (Unobserved) Replayed(int) {}

// Opened does nothing.
func (Unobserved) Opened() {}

// Ended does nothing.
func (Unobserved) Ended(EndReason) {}

// Reset does nothing.
func (Unobserved) Reset(ResetReason) {}
