package memlog

import "carillon/internal/domain/event"

// follower receives the entries of each append.
type follower struct {
	after   uint64 // the last offset it was given, or the requested one
	deliver func(after uint64, entries []event.Entry)
}

// take delivers entries that stand right after an offset. It leaves out those up to the requested offset, which the log
// may not have reached yet.
func (f *follower) take(after uint64, entries []event.Entry) {
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
