package natslog

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// view is what this node knows of the stream, from its answers, acknowledgements and messages. Its methods may be called
// concurrently.
type view struct {
	mu      sync.Mutex
	epoch   event.Epoch
	since   time.Time     // when the epoch was learned
	changed chan struct{} // closed when the epoch is another one
	maxMsgs uint64        // the stream's bound in messages; zero: none

	oldest uint64    // offset of the oldest message that is kept
	last   uint64    // the highest offset that is known to be stored
	behind time.Time // since when the stream has answered with less than last; zero: it does not

	newest delivered // the newest message that a follower got
}

// delivered is a message that a follower got. A stream that has another one in its place, or none, lost its newest messages.
type delivered struct {
	offset uint64
	at     time.Time // as stored
	time   time.Time // of its entry: never before that of an earlier entry
}

// extent returns what is known. When messages are bounded in number, the oldest follows from the newest.
func (v *view) extent() pubsub.Extent {
	v.mu.Lock()
	defer v.mu.Unlock()
	oldest := max(v.oldest, 1)
	if v.maxMsgs > 0 && v.last > v.maxMsgs {
		oldest = max(oldest, v.last-v.maxMsgs+1)
	}
	return pubsub.Extent{Epoch: v.epoch, Oldest: min(oldest, v.last+1), Newest: v.last}
}

// now returns the epoch, and the highest offset that is known to be stored.
func (v *view) now() (event.Epoch, uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.epoch, v.last
}

// watch returns the epoch and a channel that is closed when it changes.
func (v *view) watch() (event.Epoch, <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.epoch, v.changed
}

// newestDelivered returns the newest message that a follower got.
func (v *view) newestDelivered() delivered {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.newest
}

// answer is what the stream answered, to a question asked at a time when it held everything up to last.
type answer struct {
	info  *jetstream.StreamInfo
	asked time.Time
	last  uint64
}

// note takes in what the stream answered. It returns for how long the answers have been behind what is known to be
// stored; zero if they are not.
func (v *view) note(a answer) (behind time.Duration) {
	first, last := bounds(a.info)
	epoch := epochOf(a.info)
	v.mu.Lock()
	defer v.mu.Unlock()
	if epoch != v.epoch {
		if a.asked.Before(v.since) { // an answer of before the change
			return 0
		}
		v.replace(epoch, first, last)
	}
	v.maxMsgs = uint64(max(a.info.Config.MaxMsgs, 0))
	if last < min(a.last, v.last) {
		if v.behind.IsZero() {
			v.behind = time.Now()
		}
		return max(time.Since(v.behind), 1)
	}
	v.behind = time.Time{}
	v.oldest, v.last = max(v.oldest, first), max(v.last, last)
	return 0
}

// replace begins a new epoch. The caller holds mu.
func (v *view) replace(epoch event.Epoch, first, last uint64) {
	if v.changed != nil {
		close(v.changed)
	}
	v.epoch, v.since, v.changed = epoch, time.Now(), make(chan struct{})
	v.oldest, v.last = first, last
	v.newest, v.behind = delivered{}, time.Time{}
}

// bounds returns the offsets of the oldest and the newest message of a stream; for an empty one, the oldest is one more
// than the newest.
func bounds(info *jetstream.StreamInfo) (first, last uint64) {
	s := info.State
	if s.Msgs == 0 {
		return s.LastSeq + 1, s.LastSeq
	}
	return max(s.FirstSeq, 1), s.LastSeq
}

// stored notes that an event is stored at an offset of an epoch.
func (v *view) stored(epoch event.Epoch, offset uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if epoch == v.epoch {
		v.last = max(v.last, offset)
	}
}

// trimmed notes that nothing before an offset of an epoch is kept.
func (v *view) trimmed(epoch event.Epoch, oldest uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if epoch == v.epoch {
		v.oldest = max(v.oldest, oldest)
	}
}

// followed notes the newest message that a follower got.
func (v *view) followed(epoch event.Epoch, m delivered) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if epoch != v.epoch {
		return
	}
	v.last = max(v.last, m.offset)
	if m.offset > v.newest.offset {
		v.newest = m
	}
}
