// Package keepalive serves the requests of persistent connections (RFC 9112, 9.3) that send one short POST after another,
// as a backend that publishes does.
//
// For each request, net/http starts a goroutine that reads the connection while the handler runs, to notice that the
// client has left, and stops it afterwards. This wakes other threads and costs more than a short handler. A [Server] takes
// such a connection from net/http with Hijack at its second request, and serves this one and those that follow one after
// another in one goroutine. Handlers are the same; what a client receives is what net/http would have sent, with one
// difference: a response is sent when the handler has returned. So it has a Content-Length, that of what was written, and
// no trailer; informational responses are not sent, and of the Connection header only close has an effect.
//
// It serves ordinary requests only: POST over HTTP/1.1 without TLS, with a Content-Length and without a header that
// changes how the connection or the body is to be treated. A connection that sends anything else is given back to
// net/http, together with all bytes that were read but not served. It is taken again when it sends an ordinary request,
// unless this happens too often.
//
// Handlers must not need [http.Flusher] or [http.Hijacker], which a POST with a short response does not. Their request's
// context does not end when the client leaves, except while its body is read, and [http.MaxBytesReader] does not end the
// connection.
package keepalive
