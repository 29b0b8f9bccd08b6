package delivery

import "carillon/internal/app/pubsub"

// Observer is notified about one stream. Its methods must be quick and must not block: other streams wait meanwhile.
type Observer interface {
	// Reset is called when a running stream misses events.
	Reset(r pubsub.Reset)
	// Ended is called once, after the last byte was handed to the connection.
	Ended(summary Summary)
}

// Summary describes a stream that has ended.
type Summary struct {
	Events  int64
	Bytes   int64 // of the body, framing included
	Reason  pubsub.EndReason
	Problem error // what kept the stream from beginning, if anything did
}
