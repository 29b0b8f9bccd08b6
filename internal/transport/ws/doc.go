// Package ws is the WebSocket transport (RFC 6455): subscriptions, publishing and tokens as JSON text frames on one
// connection.
//
// A client sends objects with exactly one of the fields "subscribe", "unsubscribe", "publish" and "token". It is sent JSON
// events, with the name of their subscription in "sub"; {"published":…} for each event that the log has, in the order in
// which the client published; and {"problem":…} for what was refused. The subscription of the request's own query has no
// name, and its events have no "sub".
//
// Each subscription is a stream of the engine whose sink is a [subscription]. All that waits to be written is in the
// socket's bounded outbox; a goroutine writes it and ends when there is no more, so that an idle connection has one
// goroutine, which reads. Events are published together with those that arrived while the last ones were being
// published: the order is kept, and a client that sends without waiting pays for few appends. The publisher never waits
// for a reader, and a client that does not read its answers is not read either.
package ws
