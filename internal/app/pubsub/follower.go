package pubsub

import "carillon/internal/domain/event"

// Follower is a call of [Log.Follow] in a log that delivers to it from its own appends. The log serializes its use.
type Follower struct {
	after   uint64
	deliver func(after uint64, entries []event.Entry)
}

// NewFollower returns a follower that wants what comes after an offset, which the log may not have reached yet.
func NewFollower(after uint64, deliver func(after uint64, entries []event.Entry)) *Follower {
	return &Follower{after: after, deliver: deliver}
}

// After returns the last offset that the follower was given or told was trimmed, at first the requested one.
func (f *Follower) After() uint64 { return f.after }

// Take delivers entries that stand right after an offset. It leaves out those that the follower has or did not ask for,
// and delivers nothing if that says nothing new.
func (f *Follower) Take(after uint64, entries []event.Entry) {
	for len(entries) > 0 && entries[0].Position.Offset <= f.after {
		entries = entries[1:]
	}
	after = max(after, f.after)
	if len(entries) == 0 && after == f.after {
		return
	}
	f.after = after
	if len(entries) > 0 {
		f.after = entries[len(entries)-1].Position.Offset
	}
	f.deliver(after, entries)
}
