package access

import (
	"errors"
	"time"
)

// Errors of authentication. The transport decides what a client sees of them.
var (
	// ErrInvalidToken means that the token is malformed, forged or issued for another server.
	ErrInvalidToken = errors.New("invalid token")
	// ErrExpiredToken means that the token was valid and has expired.
	ErrExpiredToken = errors.New("expired token")
	// ErrUnavailable means that the keys to verify the token cannot be fetched at present; a later attempt may succeed.
	ErrUnavailable = errors.New("keys unavailable")
)

// Rights are the rights of a token, or of a request without one.
type Rights struct {
	// Subject identifies the owner. Tokens that may have different owners have different subjects; "" means anonymous.
	Subject   string
	Subscribe Grant     // topics that may be subscribed to
	Publish   Grant     // topics that may be published to
	Expires   time.Time // when the rights end; zero: never
}
