package memlog

import "carillon/internal/domain/event"

// follower receives the entries of each append.
type follower struct {
	after   uint64
	deliver func([]event.Entry)
}

// take delivers the entries after the requested offset, which the log may not have reached yet.
func (f *follower) take(entries []event.Entry) {
	for len(entries) > 0 && entries[0].Position.Offset <= f.after {
		entries = entries[1:]
	}
	if len(entries) > 0 {
		f.deliver(entries)
	}
}
