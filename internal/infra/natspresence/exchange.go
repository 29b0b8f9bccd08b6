// Package natspresence carries presence between the nodes of a cluster over core NATS: each message is published on one
// subject, which all nodes subscribe to. Core NATS delivers at most once, which is enough: nodes compare what they know.
package natspresence

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"carillon/internal/app/presence"
)

// The most that waits for a node that does not keep up; what is more is lost.
const (
	pendingMessages = 4096
	pendingBytes    = 16 << 20
)

// Exchange is the exchange over a connection that somebody else opens and closes. Its methods may be called concurrently.
type Exchange struct {
	conn    *nats.Conn
	subject string
}

var _ presence.Exchange = (*Exchange)(nil)

// New returns an exchange on a subject, which no stream of JetStream should store.
func New(conn *nats.Conn, subject string) *Exchange { return &Exchange{conn: conn, subject: subject} }

// Send publishes a message. While there is no connection the message is lost.
func (e *Exchange) Send(message []byte) { _ = e.conn.Publish(e.subject, message) }

// Receive delivers the messages of all nodes, with its own, until the context ends.
func (e *Exchange) Receive(ctx context.Context, deliver func(message []byte)) error {
	subscription, err := e.conn.SubscribeSync(e.subject)
	if err != nil {
		return fmt.Errorf("subscribing to presence: %w", err)
	}
	defer func() { _ = subscription.Unsubscribe() }() // it fails only without a connection, which has no subscriptions
	if err := subscription.SetPendingLimits(pendingMessages, pendingBytes); err != nil {
		return fmt.Errorf("subscribing to presence: %w", err)
	}
	for {
		message, err := subscription.NextMsgWithContext(ctx)
		switch {
		case err == nil:
			deliver(message.Data)
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, nats.ErrSlowConsumer): // then messages were lost
			return fmt.Errorf("receiving presence: %w", err)
		}
	}
}
