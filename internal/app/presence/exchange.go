package presence

import "context"

// MaxMessage is about the largest message that is sent to other nodes, in bytes. One with a long member may be a few
// kilobytes longer.
const MaxMessage = 128 << 10

// Exchange carries messages between the nodes of a cluster. It may lose, delay, repeat and reorder them: nodes compare
// what they know every few seconds and ask for what differs.
type Exchange interface {
	// Send sends a message to all other nodes that can be reached. It does not block. It may be called concurrently, and
	// the message is not changed later.
	Send(message []byte)

	// Receive calls deliver with each message of the other nodes until the context ends; then it returns nil. It may
	// deliver the node's own messages too. An error means that it has to be called again.
	Receive(ctx context.Context, deliver func(message []byte)) error
}
