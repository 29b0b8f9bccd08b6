package access

import (
	"errors"
	"time"
)

// Errors of authentication and of rights. The transport decides what a client sees of them.
var (
	// ErrInvalidToken means that the token is malformed, forged or issued for another server.
	ErrInvalidToken = errors.New("invalid token")
	// ErrExpiredToken means that the token was valid and has expired.
	ErrExpiredToken = errors.New("expired token")
	// ErrUnavailable means that the keys to verify the token cannot be fetched at present; a later attempt may succeed.
	ErrUnavailable = errors.New("keys unavailable")
	// ErrDenied means that the token is valid, and an operator keeps its subject out for a time.
	ErrDenied = errors.New("an operator keeps this subject out for a time")
	// ErrForbidden reports a topic for which the client has no right.
	ErrForbidden = errors.New("not allowed by the token")
)

// DeniedError says for how long a subject is kept out. It matches [ErrDenied].
type DeniedError struct {
	Wait time.Duration
}

func (e *DeniedError) Error() string { return ErrDenied.Error() }

// Unwrap returns [ErrDenied].
func (e *DeniedError) Unwrap() error { return ErrDenied }

// UnavailableError says when to try again. It matches [ErrUnavailable].
type UnavailableError struct {
	Wait time.Duration
}

func (e *UnavailableError) Error() string { return ErrUnavailable.Error() }

// Unwrap returns [ErrUnavailable].
func (e *UnavailableError) Unwrap() error { return ErrUnavailable }

// MaxInfo is the largest [Member.Info], in bytes.
const MaxInfo = 1 << 10

// Member is what other subscribers may see of the owner of a token.
type Member struct {
	ID   string // the token's subject, 1 to 255 bytes
	Info string // a JSON object of at most [MaxInfo] bytes, or ""
}

// Rights are the rights of a token, or of a request without one.
type Rights struct {
	// Subject identifies the owner. Tokens that may have different owners have different subjects; "" means anonymous.
	Subject   string
	Subscribe Grant     // topics that may be subscribed to
	Publish   Grant     // topics that may be published to
	Presence  Grant     // topics whose members may be seen
	Member    *Member   // what those who may see the members see; nil for rights without a subject of their own
	Expires   time.Time // when the rights end; zero: never
	// Credential is what the rights rest on; nil without a token.
	Credential *Credential
}
