package ws

import (
	"context"
	"errors"

	"carillon/internal/app/publish"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/subscribe"
	"carillon/internal/domain/access"
	"carillon/internal/problem"
	"carillon/internal/transport/delivery"
)

// Host is what a connection asks of the interface that it came from: the use cases, with the logging and counting that is
// the same for all transports. Its methods may be called concurrently.
type Host interface {
	// Authenticate returns the rights of a token at this moment.
	Authenticate(ctx context.Context, token string) (access.Rights, error)

	// Open opens a stream, which counts towards the limits unless it shares the place that the connection has itself.
	Open(ctx context.Context, rights access.Rights, req subscribe.Request, share bool) (Opened, error)
	// Renew continues a stream with other rights.
	Renew(stream *pubsub.Stream, rights access.Rights, req subscribe.Request) error
	Publish(ctx context.Context, rights access.Rights, requests []publish.Request) []publish.Result
	// EventBytes returns how large the data of an event may be.
	EventBytes() int64

	// Refused counts what was refused, and returns the document for it.
	Refused(what Kind, err error) problem.Document
	// Closed is called once, at the end of the connection.
	Closed(summary Summary)
}

// Opened is a stream that was opened.
type Opened struct {
	Stream   *pubsub.Stream
	Observer delivery.Observer
}

// Kind is what a client asked for.
type Kind int

// The kinds of requests.
const (
	Subscribing Kind = iota
	Publishing
	Authenticating
	Speaking // anything that is none of them
)

// Summary describes a connection that has ended.
type Summary struct {
	Reason    pubsub.EndReason
	Published int64 // events that were acknowledged
	Bytes     int64 // written
}

// Start is what a connection begins with.
type Start struct {
	Rights  access.Rights
	Token   string             // that was given, or ""
	Request *subscribe.Request // of the query's subscription; nil: there is none
	Opened  *Opened            // that subscription, which shares the connection's place; nil if it needs a token first
}

// ErrNoToken is the error of what needs a token on a connection that was given none.
var ErrNoToken = errors.New("no token was given")

// ErrTooManySubscriptions is the error of a subscription above the limit of a connection.
var ErrTooManySubscriptions = errors.New("this connection has reached its limit of 64 subscriptions")
