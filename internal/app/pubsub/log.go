package pubsub

import (
	"context"
	"errors"

	"carillon/internal/domain/event"
)

// Log is the one ordered sequence of published events, with a bounded history. Every adapter passes the suite in
// package pubsubtest.
//
// All methods may be called concurrently.
type Log interface {
	// Append keeps the events, together and in this order, and answers the position of each; it returns once they are
	// kept as far as this log keeps things. An event whose key is already in the log's key window, or comes earlier in
	// the same call, is not kept again: its answer is the first one's position. The error is nil, or the context's, or
	// matches [ErrUnavailable]; then it is unknown whether the events were kept.
	Append(ctx context.Context, events []event.Event) ([]event.Position, error)

	// Read answers the entries that stand right after an offset, oldest first: limit of them, or all there are if those
	// are fewer; none when the offset is the newest. It fails with [ErrTrimmed] when an entry after the offset is no
	// longer kept, and with [ErrUnavailable].
	Read(ctx context.Context, after uint64, limit int) ([]event.Entry, error)

	// Extent answers what the log keeps at this moment.
	Extent() Extent

	// Follow calls deliver with every entry after an offset, those already kept first, then those that come, each once
	// and in order, never concurrently, until the context ends; then it returns nil. An entry is delivered before the
	// Append that kept it returns, where log and follower share a process. deliver must be quick and must not call the
	// log. Entries that were trimmed before they could be delivered are skipped. A log that cannot be reached may fail
	// with [ErrUnavailable]; it is then followed again, from the last entry it delivered.
	Follow(ctx context.Context, after uint64, deliver func([]event.Entry)) error
}

// Extent is what a log keeps: the entries with offsets Oldest to Newest. An empty log has Oldest = Newest + 1.
type Extent struct {
	Epoch  event.Epoch
	Oldest uint64
	Newest uint64
}

// Errors of a [Log].
var (
	// ErrTrimmed says that what was asked for is older than the history that is kept.
	ErrTrimmed = errors.New("older than the history that is kept")
	// ErrUnavailable says that the log cannot be reached or cannot take more now; trying again later may help.
	ErrUnavailable = errors.New("log unavailable")
)
