package memlog

import "carillon/internal/domain/event"

// follower is whoever hears of each append.
type follower struct {
	after   uint64
	deliver func([]event.Entry)
}

// take delivers what stands after the offset that was asked for, which may be one the log has yet to reach.
func (f *follower) take(entries []event.Entry) {
	for len(entries) > 0 && entries[0].Position.Offset <= f.after {
		entries = entries[1:]
	}
	if len(entries) > 0 {
		f.deliver(entries)
	}
}
