// Package httpapi is Carillon's HTTP interface, on Gin: routes, middleware, and the one table that maps errors to
// answers.
//
// It promises that bad input is answered with a 4xx that names the field, that nothing a client sends reaches a log
// except in fields of bounded length, and that query strings, tokens and bodies reach none.
package httpapi
