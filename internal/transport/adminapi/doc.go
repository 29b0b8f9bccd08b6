// Package adminapi is the HTTP interface for operators: metrics, profiles, the status of the server, and closing
// streams. It has its own listener and shares no route with the public interface.
//
// It guarantees that clients on other machines need the token, and that with a token every route requires it; that no
// web page can use it through the browser of somebody on the same machine; and that errors are application/problem+json
// (RFC 9457), as on the public listener.
package adminapi
