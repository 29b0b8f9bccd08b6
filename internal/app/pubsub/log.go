package pubsub

import (
	"context"
	"errors"

	"carillon/internal/domain/event"
)

// Log is the ordered sequence of published events, with a bounded history. Every implementation passes the suite in
// package pubsubtest.
//
// All methods may be called concurrently.
type Log interface {
	// Append appends the events, together and in this order, and returns what became of each. It returns once they are
	// stored as durably as this log stores events. An event whose key is already in the log's key window, or comes
	// earlier in the same call, is not appended again if it is the same event ([event.Event.Fingerprint]): the result
	// has the position of the first one. If it is another event, Append fails with a [*KeyReusedError] and appends
	// nothing; a log that can compare an event only while it is kept may take an older one for the same. Other errors
	// are the context's or match [ErrUnavailable]; then it is unknown whether the events were appended.
	Append(ctx context.Context, events []event.Event) ([]Appended, error)

	// Read returns the entries right after an offset, oldest first: limit of them, or all there are if those are fewer,
	// so none when the offset is the newest. It fails with [ErrTrimmed] when an entry after the offset is no longer
	// kept, and with [ErrUnavailable].
	Read(ctx context.Context, after uint64, limit int) ([]event.Entry, error)

	// Extent returns what the log keeps at this moment.
	Extent() Extent

	// Follow calls deliver with every entry after an offset, first those already kept, then new ones, each once and in
	// order, never concurrently, until the context ends; then it returns nil. If log and follower share a process, an
	// entry is delivered before the Append that stored it returns. The function deliver must be quick and must not call
	// the log. Entries that were trimmed before they could be delivered are skipped. Follow may fail with
	// [ErrUnavailable] when the log cannot be reached; the engine then follows it again from the last entry delivered.
	Follow(ctx context.Context, after uint64, deliver func([]event.Entry)) error
}

// Appended says what became of an event.
type Appended struct {
	Position event.Position
	Repeated bool // its key was known: it was not appended again, and the position is that of the first one
}

// Durable is an optional ability of a [Log].
type Durable interface {
	// Durable reports whether events that were appended outlive the process.
	Durable() bool
}

// Extent is what a log keeps: the entries with offsets Oldest to Newest. An empty log has Oldest = Newest + 1.
type Extent struct {
	Epoch  event.Epoch
	Oldest uint64
	Newest uint64
}

// Errors of a [Log].
var (
	// ErrTrimmed means that a requested entry is older than the history that is kept.
	ErrTrimmed = errors.New("older than the history that is kept")
	// ErrUnavailable means that the log cannot be reached or cannot take more events now. A later attempt may succeed.
	ErrUnavailable = errors.New("log unavailable")
	// ErrKeyReused means that an event's key belongs to another event.
	ErrKeyReused = errors.New("the key was used with another event")
)

// KeyReusedError reports an event whose key belongs to another event. It matches [ErrKeyReused].
type KeyReusedError struct {
	Index int // of the event in the call, from 0
}

func (e *KeyReusedError) Error() string { return ErrKeyReused.Error() }

// Unwrap returns [ErrKeyReused].
func (e *KeyReusedError) Unwrap() error { return ErrKeyReused }
