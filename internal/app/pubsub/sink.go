package pubsub

import "carillon/internal/domain/event"

// Sink sends the items of a stream to its client. The shard that owns the stream calls it, one call at a time, but not
// always from the same goroutine. No call may block. An error ends the stream with [EndFailed].
//
// Send may be called from the goroutine that receives entries from the [Log], which can be a publisher that holds locks of
// the log. It must not call the log or publish, nor take a lock that is held during such a call. A Send that blocks can
// hold up all publishers; another call that blocks holds up the streams of its shard.
type Sink interface {
	// Send takes items in order: all of them, or only the first few when the sink is full. A sink that took fewer calls
	// [Stream.Ready] once it can take more. There is at least one item. The sink may keep the items, but not the slice.
	Send(items []*Item) (taken int, err error)

	// Flush continues to send what the sink holds: a part of an item that it took, or the
	// opening. It is called when the stream is attached and after [Stream.Ready].
	Flush() error

	// Heartbeat sends a heartbeat. Unless the position is zero, the heartbeat also tells the client that it has
	// received everything up to that position.
	Heartbeat(at event.Position) error

	// Reset tells the client that events are missing.
	Reset(r Reset) error

	// Close ends the stream and sends the client the reason if it can still be reached. It is called once, as the last
	// call.
	Close(why EndReason)
}

// LiveWatcher is implemented by a [Sink] that needs to know when its stream has caught up. Live is called each time the
// stream becomes live: it has then been given everything up to the newest event.
type LiveWatcher interface {
	Live()
}

// PositionKeeper is implemented by a [Sink] whose client is told where to continue. EndsAt is called once, right before
// Close, with the position up to which the stream was given everything that matches.
type PositionKeeper interface {
	EndsAt(at event.Position)
}

// ReasonRefiner is implemented by a [Sink] that may know more exactly why its stream ends, for example from its
// connection. RefineReason is called once, right before Close, and returns the reason to use.
type ReasonRefiner interface {
	RefineReason(why EndReason) EndReason
}
