package pubsub

import (
	"fmt"
	"runtime/debug"
	"time"
)

const (
	// smallWalk is how many deliveries the receiver makes itself for the entries of one call. To wake the goroutine of a
	// shard takes about as long as a few of them.
	smallWalk = 32
	// smallWalkBytes is the most bytes of events that it delivers itself; encoding and compressing them takes time too.
	smallWalkBytes = 16 << 10
	// walkPause is the least time between two walks of the receiver. Under load it leaves the items to the shards, which
	// give a stream all that were published meanwhile at once, while the publisher goes on.
	walkPause = 100 * time.Microsecond
)

// receiver is what the engine needs to walk items where it receives them. It belongs to [Engine.receive], whose calls do
// not overlap.
type receiver struct {
	resume time.Time // when the pause after the last walk ends
	walks  uint64    // how many walks there were
	owned  []*shard  // those that want the items and whose owner lock the receiver holds
}

// dispatch gives items, which were added to the window after an offset, to the shards. The receiver walks them itself
// while few streams want them, so that no other goroutine has to be woken; and a shard without a stream that wants them
// is only moved past them. It never waits for a shard.
func (e *Engine) dispatch(after uint64, items []*Item, now time.Time) {
	if !isSmall(items) || now.Before(e.receiver.resume) {
		for _, s := range e.shards {
			s.wake()
		}
		return
	}
	wanted := e.lockShards(after, items)
	if wanted == 0 {
		return
	}
	for _, s := range e.receiver.owned {
		if wanted <= smallWalk {
			s.walkHere(items)
		} else {
			s.owner.Unlock()
			s.wake()
		}
	}
	if wanted <= smallWalk {
		ended := time.Now()
		e.receiver.resume = ended.Add(max(walkPause, ended.Sub(now)))
		e.receiver.walks++
	}
}

// isSmall reports whether items are few and small enough to be looked at where they are received.
func isSmall(items []*Item) bool {
	if len(items) == 0 || len(items) > fullWalk {
		return false
	}
	bytes := 0
	for _, item := range items {
		bytes += item.Event.Size()
	}
	return bytes <= smallWalkBytes
}

// lockShards takes the owner locks of the shards that want items and are idle, moves those that do not want them
// past them, and wakes the others. It returns the number of subscriptions in the shards it took, which is exact up to
// [smallWalk].
func (e *Engine) lockShards(after uint64, items []*Item) (wanted int) {
	e.receiver.owned = e.receiver.owned[:0]
	for _, s := range e.shards {
		// The shard reads the window after it took the token from its channel, and the items are in the window by now. So
		// where the lock is not free, the token that wake leaves makes the shard find them, whatever it does at present.
		if !s.owner.TryLock() {
			s.wake()
			continue
		}
		if !s.waitsIdle(after) {
			s.owner.Unlock()
			s.wake()
			continue
		}
		if n := s.batch.count(&s.index, items, smallWalk); n > 0 {
			wanted += n
			e.receiver.owned = append(e.receiver.owned, s)
			continue
		}
		s.cursor = items[len(items)-1].Position.Offset
		s.progress.Store(s.cursor) // or publishers would yield to a shard that has nothing to do
		s.owner.Unlock()
	}
	return wanted
}

// walkHere walks items in the goroutine of the receiver, which holds the owner lock, and releases the lock.
func (s *shard) walkHere(items []*Item) {
	defer s.owner.Unlock()
	defer func() {
		// A panic ends the process when it happens in the goroutine of a shard. The caller of a publisher may recover from
		// it, which must not leave a shard that is half way through a walk. So the shard panics too.
		if p := recover(); p != nil {
			s.broken = fmt.Sprintf("in a small walk: %v\n%s", p, debug.Stack())
			s.wake()
			panic(p)
		}
	}()
	s.smallWalking = true
	s.walkItems(items)
	s.smallWalking = false
	s.progress.Store(s.cursor)
}

// waitsIdle reports whether the shard's goroutine waits, with nothing to do before the items after an offset. It does not
// wait before it has begun to run, nor after it has stopped.
func (s *shard) waitsIdle(after uint64) bool {
	if !s.waiting || s.cursor != after || len(s.lagging) > 0 || s.reader.pending > 0 ||
		s.backlog.requested || len(s.backlog.items) > 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.inbox) == 0
}

// count returns the number of subscriptions that the items reach, each counted for each topic, which is at least the
// number of deliveries. It stops counting above a limit. Unlike match it changes no stream.
func (b *batch) count(x *index, items []*Item, limit int) int {
	n := 0
	for _, item := range items {
		for _, topic := range item.Event.Topics {
			b.matched = x.match(topic, b.matched[:0])
			for _, m := range b.matched {
				n += len(m.list)
			}
			if n > limit {
				return n
			}
		}
	}
	return n
}

// fail ends a stream whose sink failed after it took a number of the items.
func (s *shard) fail(st *Stream, items []*Item, taken int) {
	if !s.smallWalking {
		s.end(st, EndFailed)
		return
	}
	// The receiver may hold locks of the log, and the end of a stream calls sinks, observers and audiences that may need
	// them. So the shard's goroutine ends the stream, and until then the stream is parked: it gets nothing more.
	if taken < len(items) {
		st.cursor = items[taken].Position.Offset - 1
	}
	st.state = stateParked
	st.End(EndFailed)
}
