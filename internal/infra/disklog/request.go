package disklog

import (
	"slices"
	"sync/atomic"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// request is an append on its way through the committer.
type request struct {
	events       []event.Event
	records      [][]byte // encoded by the publisher's goroutine; the committer completes them
	fingerprints []uint64 // of the events that have a key
	bytes        int
	claimed      atomic.Bool // by the committer, or by a publisher that gave up

	done     chan struct{} // closed when appended or err is set
	appended []pubsub.Appended
	err      error
}

// newRequest encodes the events. It copies the slice, because a publisher that gives up may use it again.
func newRequest(events []event.Event) *request {
	r := &request{
		events: slices.Clone(events), records: make([][]byte, len(events)), fingerprints: make([]uint64, len(events)),
		done: make(chan struct{}),
	}
	for i := range events {
		if !events[i].Key.IsZero() {
			r.fingerprints[i] = events[i].Fingerprint()
		}
		r.records[i] = encodeEvent(events[i])
		r.bytes += len(r.records[i])
	}
	return r
}

// claim reports whether the caller is the first to decide about the request.
func (r *request) claim() bool { return r.claimed.CompareAndSwap(false, true) }

// withdraw keeps the committer from taking a request that it has not taken yet.
func (r *request) withdraw() { r.claim() }

// finish ends the request. An error of its transaction comes before its own: a key that the same transaction was to store
// belongs to no event then.
func (r *request) finish(err error) {
	if err != nil {
		r.err = err
	}
	if r.err != nil {
		r.appended = nil
	}
	close(r.done)
}
