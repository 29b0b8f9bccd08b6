package pubsub

import "carillon/internal/domain/event"

// Sink is the end of a stream towards its client. The shard that owns the stream calls it, one call at a time; no call
// may block. An error ends the stream with [EndFailed].
type Sink interface {
	// Send takes items in order: all of them, or only the first few when the sink is full. A sink that took fewer calls
	// [Stream.Ready] once it can take more. There is at least one item. The slice is the caller's again after the call;
	// the items may be kept.
	Send(items []*Item) (taken int, err error)

	// Flush goes on with what the sink holds back: a part of an item that it took, or what its client is told before any
	// item. It is called when the stream is attached and after [Stream.Ready].
	Flush() error

	// Beat shows the client that the stream lives and, unless the position is zero, that it has seen everything up to it.
	Beat(at event.Position) error

	// Reset tells the client that events are missing.
	Reset(r Reset) error

	// Close ends the stream, telling the client why where it can still be told. It is the last call, and comes once.
	Close(why EndReason)
}

// Explainer is a [Sink] that knows its connection. It is asked, once, right before Close, to make the reason exact.
type Explainer interface {
	Explain(why EndReason) EndReason
}
