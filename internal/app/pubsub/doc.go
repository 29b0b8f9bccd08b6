// Package pubsub is the fan-out engine: it carries each published event from the log to every stream that asked for it.
//
// One ordered window, many cursors. The [Engine] appends to the [Log]; what the log delivers goes into a window of
// recent items. A stream owns no queue, only a cursor into that sequence, so a slow reader costs a cursor and not
// memory, and replay, catching up and living at the head are the same walk.
//
// Shards own streams. Each shard is one goroutine with its own topic index; it matches new items, hands them to the
// sinks of its streams, beats their hearts and ends them. What it promises:
//
//   - A publish waits for the log and never for a stream.
//   - A stream gets the events that match its subscription in log order, each once. Where that cannot be held, a
//     [Reset] says so before anything newer comes.
//   - A [Sink] is called by one goroutine at a time, never blocks it, and gets Close exactly once, as its last call.
//   - A stream whose sink is full is parked: its cursor stays, everything else goes on.
//
// The package knows no wire format. An [Item] keeps the bytes a transport made of it, so that they are made once for
// all streams.
package pubsub
