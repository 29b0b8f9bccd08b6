// Package pubsub is the fan-out engine: it delivers each published event from the log to every stream that subscribed
// to it.
//
// There is one ordered window and many cursors. The [Engine] appends events to the [Log]; the entries that the log
// delivers are added to a window of recent items. A stream has no queue, only a cursor into that sequence. So a slow
// client needs no memory for events, and replay, catching up and live delivery use the same code.
//
// Each stream belongs to a shard. A shard is one goroutine with its own topic index; it matches new items with its
// streams, hands them to their sinks, sends heartbeats and ends streams. A lock decides who owns the shard's state. The
// goroutine holds it while it works. While it waits, the receiver of entries from the log, which may be a publisher, may
// take it to deliver an event with few readers itself: to wake the goroutine would take longer. The package guarantees:
//
//   - A publish waits for the log and never for a stream or a shard. It may include a bounded number of calls of sinks,
//     which do not block.
//   - A stream gets the events that match its subscription in log order, each once. Where events are missing, it gets a
//     [Reset] before any newer event.
//   - A [Sink] is called by one goroutine at a time and must not block. Close is called exactly once, as the last call.
//   - A stream whose sink is full is parked: its cursor stays where it is, and all other streams continue.
//
// The package knows no wire format. An [Item] keeps the encodings that transports made of it, so that each is made once
// for all streams.
//
// To add a log, implement [Log] and test it with package pubsubtest. To add a wire format for the connections there
// are, implement the Codec of package delivery. To add a transport with connections of its own, implement [Sink] and
// make an [Encoding] for its wire format. To add a metric, extend [Observer].
package pubsub
