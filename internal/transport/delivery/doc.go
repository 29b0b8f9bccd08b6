// Package delivery writes streams to HTTP connections, in whatever format a [Codec] defines.
//
// A [Server] owns what all streams share: the poller, the counters, the configuration. A [Transport] is the server with
// one codec. A new format is a package with a codec, and one call of [Server.Transport] where the program is wired;
// package httpapi chooses between the transports.
//
// There are three paths to a client, and all are sinks of the engine. A plain HTTP/1.1 connection is taken over: the
// handler returns, the stream's shard writes to the socket itself, and no goroutine stays behind. An HTTP/1.1
// connection that the poller cannot watch (TLS, platforms without a poller) is hijacked: a goroutine that reads stays
// behind, and one that writes exists while there is something to write. HTTP/2 and HTTP/1.0 are written by the handler's
// goroutine. A mailbox connects these goroutines to the shard. On all paths events may be compressed.
//
// An event is encoded once for all streams of a format and content coding. A write never blocks a shard. The descriptor
// of a connection that was taken over is written to and closed by one owner at a time, so that no byte of a stream can
// be written to a descriptor that was closed and reused.
package delivery
