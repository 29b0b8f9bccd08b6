// Package sse is Server-Sent Events (WHATWG HTML, 9.2) from end to end: the encoder, the decoder, and the writing of
// streams to HTTP connections.
//
// What it promises: whatever the encoder writes, a conforming parser reads back as the same event, and no payload can
// end a frame or begin another; an event is encoded once for all streams of a coding; a write never blocks a shard; the
// descriptor of a connection that was taken over is written to and closed by one owner at a time, so that no byte of a
// stream can reach a descriptor that was given out again.
package sse
