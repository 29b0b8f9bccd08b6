// Package delivery writes streams to HTTP connections, in whatever format a [Codec] defines.
//
// A [Server] owns what all streams share: the poller, the counters, the configuration. A [Transport] is the server with
// one codec. A new format is a package with a codec, and one call of [Server.Transport] where the program is wired;
// package httpapi chooses between the transports.
//
// There are two paths to a client, and both are sinks of the engine. A plain HTTP/1.1 connection is taken over: the
// handler returns, the stream's shard writes to the socket itself, and no goroutine stays behind. Everything else (TLS,
// HTTP/2, HTTP/1.0, platforms without a poller) is written by its handler's goroutine, which a mailbox connects to the
// shard. On both, events may be compressed.
//
// An event is encoded once for all streams of a format and content coding. A write never blocks a shard. The descriptor
// of a connection that was taken over is written to and closed by one owner at a time, so that no byte of a stream can
// be written to a descriptor that was closed and reused.
package delivery
