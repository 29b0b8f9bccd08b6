package disklog

import (
	"slices"
	"sync/atomic"

	"carillon/internal/domain/event"
)

// request is an append on its way through the committer.
type request struct {
	events  []event.Event
	records [][]byte // encoded by the publisher's goroutine; the committer completes them
	bytes   int
	claimed atomic.Bool // by the committer, or by a publisher that gave up

	done      chan struct{} // closed when positions or err is set
	positions []event.Position
	err       error
}

// newRequest encodes the events. It copies the slice, because a publisher that gives up may use it again.
func newRequest(events []event.Event) *request {
	r := &request{events: slices.Clone(events), records: make([][]byte, len(events)), done: make(chan struct{})}
	for i := range events {
		r.records[i] = encodeEvent(events[i])
		r.bytes += len(r.records[i])
	}
	return r
}

// claim reports whether the caller is the first to decide about the request.
func (r *request) claim() bool { return r.claimed.CompareAndSwap(false, true) }

// withdraw keeps the committer from taking a request that it has not taken yet.
func (r *request) withdraw() { r.claim() }

func (r *request) finish(err error) {
	if err != nil {
		r.positions, r.err = nil, err
	}
	close(r.done)
}
