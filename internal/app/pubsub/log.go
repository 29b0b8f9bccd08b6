package pubsub

import (
	"context"
	"errors"
	"fmt"

	"carillon/internal/domain/event"
)

// Log is the ordered sequence of published events, with a bounded history. It may be local or shared by several nodes.
// Every implementation passes the suite in package pubsubtest.
//
// An entry whose event has no topics takes an offset and reaches no stream. A log that other programs can write to uses it
// for what is no event.
//
// All methods may be called concurrently.
type Log interface {
	// Append appends the events, together and in this order, and returns what became of each. It returns once they are
	// stored as durably as this log stores events. An event whose key is already in the log's key window, or comes
	// earlier in the same call, is not appended again if it is the same event ([event.Event.Fingerprint]): the result
	// has the position of the first one. If it is another event, Append fails with a [*KeyReusedError] and appends
	// nothing; a log that can compare an event only while it is kept may take an older one for the same.
	//
	// An error that matches [ErrUnavailable] means that nothing was appended, unless it also matches [ErrUnknownOutcome]
	// or is the context's: then the events may have been appended, all of them or none.
	Append(ctx context.Context, events []event.Event) ([]Appended, error)

	// Read returns the entries right after a position, oldest first: limit of them, or all there are if those are fewer,
	// so none when the position is the newest. An entry that another node has appended and acknowledged before the call
	// is among them. It fails with [ErrTrimmed] when an entry after the position is no longer kept, which Extent then shows, with [ErrReplaced]
	// when the position is of another epoch than the log's, and with [ErrUnavailable].
	Read(ctx context.Context, after event.Position, limit int) ([]event.Entry, error)

	// Extent returns what this node knows of what the log keeps. It does not block and does not fail, so it may be
	// called often, and what other nodes have appended or trimmed may be missing in it.
	Extent() Extent

	// Look asks the log itself what it keeps: everything that any node has appended and acknowledged before the call is
	// in the extent. It fails with [ErrUnavailable] when the log cannot be reached or cannot take events.
	Look(ctx context.Context) (Extent, error)

	// Follow calls deliver with every entry after a position, first those already kept, then new ones, each once and in
	// order, never concurrently, until the context ends; then it returns nil. Each call contains every entry of the log
	// after the offset that is its first argument, up to the last of the entries. If that offset is greater than the
	// previous entry's, or than the requested one, the entries between were trimmed before they could be delivered; such
	// a call may have no entries. If log and follower share a process, an entry is delivered before the Append that
	// stored it returns. The function deliver does not block and does not call the log. It may call sinks, a bounded
	// number of times.
	//
	// Follow fails with [ErrReplaced] when the position is not of the log's epoch or the epoch changes, and with
	// [ErrUnavailable] when the log cannot be reached; the engine then follows it again from the last entry delivered.
	Follow(ctx context.Context, after event.Position, deliver func(after uint64, entries []event.Entry)) error
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

// At returns the position with an offset in the extent's epoch.
func (e Extent) At(offset uint64) event.Position {
	return event.Position{Epoch: e.Epoch, Offset: offset}
}

// Errors of a [Log].
var (
	// ErrTrimmed means that a requested entry is older than the history that is kept.
	ErrTrimmed = errors.New("older than the history that is kept")
	// ErrReplaced means that the log is not the one a position belongs to: it was deleted and made anew, or lost its
	// newest entries. Its epoch is another one now.
	ErrReplaced = errors.New("the log was replaced")
	// ErrUnavailable means that the log cannot be reached or cannot take more events now. A later attempt may succeed.
	ErrUnavailable = errors.New("log unavailable")
	// ErrUnknownOutcome means that the log did not answer in time, so that the events may have been appended. It matches
	// [ErrUnavailable].
	ErrUnknownOutcome = fmt.Errorf("%w: the events may have been stored", ErrUnavailable)
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
