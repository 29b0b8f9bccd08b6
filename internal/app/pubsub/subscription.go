package pubsub

import (
	"time"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// Subscription is what a client subscribes to: patterns, a start position and the rights of the subscriber.
type Subscription struct {
	Patterns []event.Pattern // at least one; an event is delivered once even if several of them match
	Grant    access.Grant    // checked for each event when it is sent
	// Credential is what the grant rests on; nil for a client without a token.
	Credential *access.Credential
	Start      Start
	Expires    time.Time // when the right to subscribe ends; zero means never
	Name       string    // identifies the stream in log records and to operators
	// Member is who subscribes, for those who are told who is there. Nil if the subscriber has no name.
	Member  *access.Member
	Notices Notices // what the stream is told beside the events of the log; nil for nothing
}

// Start is where in the log a subscription starts. The zero Start delivers only what is published later.
type Start struct {
	kind      startKind
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
	startLatest
)

// After starts right after the event whose written position the client saw last. A position that cannot be resumed from
// leads to a [Reset] and never to an error, because a browser sends the position it has and cannot be made to send
// another.
func After(requested string) Start { return Start{kind: startAfter, requested: requested} }

// Last starts with the newest n matching events that the log keeps. If it keeps fewer and has trimmed some, which may have
// matched, a [Reset] says so.
func Last(n int) Start { return Start{kind: startLast, last: n} }

// Since starts with the oldest event that the log keeps and that is not older than age. If the log has trimmed events that
// may not have been older, a [Reset] says so.
func Since(age time.Duration) Start { return Start{kind: startSince, since: age} }

// Latest starts with the newest event of each matching topic that the log keeps, oldest first, and goes on with what is
// published later.
func Latest() Start { return Start{kind: startLatest} }

// ResetReason is why a stream could not continue where its client stopped.
type ResetReason string

// The reasons of a [Reset].
const (
	ResetExpired   ResetReason = "expired"   // older than the history that is kept, or asking for more than that
	ResetEpoch     ResetReason = "epoch"     // of another log: the server lost or replaced it
	ResetMalformed ResetReason = "malformed" // not a position
	ResetFuture    ResetReason = "future"    // newer than anything the log holds
	ResetSlow      ResetReason = "slow"      // the client read too slowly and was moved to the newest event
)

// Reset tells a client that events may be missing, so that no event is lost unnoticed.
type Reset struct {
	Reason    ResetReason
	Requested string         // the position the client asked for, as it sent it; "" if it was not a position
	Oldest    event.Position // the oldest event that the log keeps; zero if it keeps none
	Newest    event.Position // the newest event of the log; zero if it never had one
	At        event.Position // the stream continues right after it
}

// EndReason is why a stream ended.
type EndReason string

// The reasons of an end. A client that can still be reached is sent the reason in a goaway.
const (
	EndGone    EndReason = "gone"           // the client left
	EndFailed  EndReason = "failed"         // its connection broke
	EndDead    EndReason = "dead"           // its connection accepted nothing for too long
	EndSlow    EndReason = "slow"           // it read too slowly
	EndExpired EndReason = "expired"        // its right to subscribe ended
	EndDrain   EndReason = "drain"          // the server is stopping
	EndClosed  EndReason = "closed"         // an operator closed it
	EndRights  EndReason = "rights_changed" // the rules or keys that it was opened by have changed

	// EndAnswered ends a stream that has done what its client asked for: a long poll that was answered, a subscription that
	// its client took back.
	EndAnswered EndReason = "answered"
)
