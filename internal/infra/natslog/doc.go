// Package natslog is the log that several nodes share: a stream of NATS JetStream. How events are written as messages, so
// that other programs can read and write them, and what the stream must be, is in docs/nats.md.
//
// What it promises:
//
//   - What [Log.Append] acknowledged is stored as the stream is configured: on most of its replicas, and on disk if its
//     servers sync always.
//   - Several events of one Append are stored together or not at all, and stand together.
//   - Positions are the same on all nodes: the offset is the sequence in the stream, and the epoch is a hash of the
//     stream's name, the time of its creation, and one value of its metadata.
//   - A stream that was made anew, or lost its newest messages, never yields entries under the former epoch to who was
//     not told.
//   - Offsets have no gaps. A message that is no event is an entry without topics.
//   - Keys are known for the stream's duplicate window, also after their events are trimmed, and whichever node or program
//     used them. An event is compared with the first one with its key as long as that is kept.
//   - Requests wait one second, so that everything fails fast while NATS is away.
//
// # Who knows what
//
// The stream's leader is asked where a decision hangs on the answer (Look, the end of Read, each start of Follow, once a
// second). In between a node remembers what it has seen (view), which may lack what other nodes have appended or what was
// trimmed. Times are those of the leader's clock; within what is delivered they do not run backwards.
package natslog
