// Package adminapi is what the people who look after a server ask it: metrics, profiles, what it is doing, and to close
// streams. It stands on a listener of its own and shares no route with the public one.
//
// It promises that whoever is not on the same machine needs the token, and that where there is one every route needs it;
// that no web page can act through the browser of somebody on that machine; and that errors are application/problem+json
// (RFC 9457), as on the public listener.
package adminapi
