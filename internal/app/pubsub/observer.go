package pubsub

import "time"

// Observer is told what the engine does. Its methods are called from publishers and shards, concurrently, and must be
// quick: counting is what they are for.
type Observer interface {
	// Published is told of events that the log has taken, and what they weigh.
	Published(events, bytes int)
	// Delivered is told, once for each walk of a shard, how many events its streams took and how long ago the oldest of
	// them was published.
	Delivered(events int, lag time.Duration)
	// Replayed is told how many events a stream that was catching up took.
	Replayed(events int)
	// Opened and Ended are told of streams.
	Opened()
	Ended(why EndReason)
	// Reset is told of each reset, at the start of a stream or later.
	Reset(reason ResetReason)
}

// Unobserved is an [Observer] that nobody looks at.
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
