// Package httpapi is Carillon's public HTTP interface, on Gin: routes, middleware, and the table that maps errors to
// responses. It translates requests into calls of the use cases in packages publish and subscribe, which have the
// rules.
//
// It guarantees that invalid input is refused with a 4xx that names the field, that log records contain client input
// only in fields of bounded length, and that they never contain query strings, tokens or bodies.
package httpapi
