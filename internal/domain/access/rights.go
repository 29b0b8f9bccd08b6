package access

import (
	"errors"
	"time"
)

// Errors of checking who someone is. What a client sees of them is decided in one place, at the edge.
var (
	// ErrInvalidToken says that a token was presented and does not hold: malformed, forged, not meant for this server.
	ErrInvalidToken = errors.New("invalid token")
	// ErrExpiredToken says that the token was good and no longer is.
	ErrExpiredToken = errors.New("expired token")
	// ErrUnavailable says that the keys to check a token with cannot be had now; trying again later may help.
	ErrUnavailable = errors.New("keys unavailable")
)

// Rights are what a token, or having none, entitles to.
type Rights struct {
	// Subject is whose rights these are. Tokens that may be of different owners have different ones; "" is nobody.
	Subject   string
	Subscribe Grant     // topics that may be listened to
	Publish   Grant     // topics that may be published to
	Expires   time.Time // when the rights end; zero is never
}
