package pubsub

import (
	"time"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// Subscription is what a client asks for: patterns and where to start, within what it may see.
type Subscription struct {
	Patterns []event.Pattern // at least one; an event comes once however many of them select it
	Grant    access.Grant    // checked for each event, at the moment it is sent
	Start    Start
	Expires  time.Time // when the right to listen ends; zero is never
	Name     string    // what logs and operators call the stream
}

// Start says where in the log a subscription begins. The zero Start is "only what comes next".
type Start struct {
	how       startKind
	requested string
	last      int
	since     time.Duration
}

type startKind uint8

const (
	startNext startKind = iota
	startAfter
	startLast
	startSince
)

// After starts right after the event whose written position a client saw last. A position that cannot be resumed from
// gives a [Reset] and never an error, because a browser sends what it has and cannot be told otherwise.
func After(requested string) Start { return Start{how: startAfter, requested: requested} }

// Last starts with the newest n events that match and are kept.
func Last(n int) Start { return Start{how: startLast, last: n} }

// Since starts with the oldest event that is kept and not older than age.
func Since(age time.Duration) Start { return Start{how: startSince, since: age} }

// ResetReason says why a stream could not go on where its client left off.
type ResetReason string

// The reasons of a [Reset].
const (
	ResetExpired   ResetReason = "expired"   // older than the history that is kept
	ResetEpoch     ResetReason = "epoch"     // from another log: the server lost or renewed it
	ResetMalformed ResetReason = "malformed" // not a position
	ResetFuture    ResetReason = "future"    // newer than anything the log holds
	ResetSlow      ResetReason = "slow"      // the client read too slowly and was moved to the head
)

// Reset tells a client that events may be missing, so that loss is never silent.
type Reset struct {
	Reason    ResetReason
	Requested string         // the position the client asked for, as it wrote it; "" where it is no position
	Oldest    event.Position // the oldest event that is kept; zero when none is
	Newest    event.Position // the newest event of the log; zero when it never had one
	At        event.Position // the stream goes on right after this
}

// EndReason says why a stream ended.
type EndReason string

// The reasons of an end. Those a client can still be told go out as a goaway.
const (
	EndGone    EndReason = "gone"    // the client left
	EndFailed  EndReason = "failed"  // its connection broke
	EndDead    EndReason = "dead"    // its connection took nothing for too long
	EndSlow    EndReason = "slow"    // it read too slowly
	EndExpired EndReason = "expired" // its right to listen ended
	EndDrain   EndReason = "drain"   // the server is stopping
	EndClosed  EndReason = "closed"  // an operator closed it
)
