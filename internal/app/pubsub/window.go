package pubsub

import (
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// window holds the recent items in log order, bounded in events, bytes and age. One goroutine pushes; shards copy
// pointers from it under a read lock that is held for a few hundred nanoseconds.
type window struct {
	limits WindowConfig
	bytes  atomic.Int64 // of the items and their encodings; encodings are made while the items are in the window

	mu    sync.RWMutex
	ring  []*Item // its length is a power of two; the item with index i is at i & (len-1)
	first uint64  // index of the oldest item
	next  uint64  // index after the newest item
	floor uint64  // every item with a greater offset is in the window
}

func newWindow(limits WindowConfig, floor uint64) *window {
	return &window{limits: limits, floor: floor}
}

// push adds items that come, in the log, after all items pushed before.
func (w *window) push(items []*Item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, item := range items {
		if w.next-w.first == uint64(len(w.ring)) {
			w.growRing()
		}
		w.ring[w.next&uint64(len(w.ring)-1)] = item
		w.next++
		item.window = w
		w.bytes.Add(item.size.Load())
		w.trim() // after each item, so that a large batch does not grow the ring past its bound
	}
}

// skip drops all items. The next ones come after an offset, and everything up to it was trimmed in the log before it was
// delivered, or is of another log.
func (w *window) skip(after uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.first < w.next {
		w.drop()
	}
	w.floor = after
}

// trim drops the oldest items while the window holds more events or bytes than it may. It never drops the newest item.
func (w *window) trim() {
	for w.next-w.first > uint64(w.limits.Events) || w.bytes.Load() > w.limits.Bytes && w.next-w.first > 1 {
		w.drop()
	}
}

// addBytes counts bytes that were added to an item in the window.
func (w *window) addBytes(bytes int64) {
	if w.bytes.Add(bytes) > w.limits.Bytes {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.trim()
	}
}

// expire drops items that are older than the window's age.
func (w *window) expire(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.first < w.next && now.Sub(w.ring[w.first&uint64(len(w.ring)-1)].arrived) > w.limits.Age {
		w.drop()
	}
}

func (w *window) drop() {
	slot := &w.ring[w.first&uint64(len(w.ring)-1)]
	w.bytes.Add(-(*slot).size.Swap(dropped))
	w.floor = (*slot).Position.Offset
	*slot = nil
	w.first++
}

// growRing doubles the ring.
func (w *window) growRing() {
	ring := make([]*Item, max(64, 2*len(w.ring)))
	for i := w.first; i < w.next; i++ {
		ring[i&uint64(len(ring)-1)] = w.ring[i&uint64(len(w.ring)-1)]
	}
	w.ring = ring
}

// after copies the items right after an offset into buf, oldest first. It reports false, and copies nothing, when the
// window does not reach back that far: it dropped them, or never had them.
func (w *window) after(offset uint64, buf []*Item) (int, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if offset < w.floor {
		return 0, false
	}
	n := 0
	for i := w.find(offset); i < w.next && n < len(buf); i++ {
		buf[n] = w.ring[i&uint64(len(w.ring)-1)]
		n++
	}
	return n, true
}

// pick copies the items with the given offsets, which rise, into buf. It reports false, and copies nothing, when the window
// does not reach back to the first of them.
func (w *window) pick(offsets []uint64, buf []*Item) (int, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if offsets[0] <= w.floor {
		return 0, false
	}
	n := 0
	for _, offset := range offsets {
		if i := w.find(offset - 1); i < w.next {
			if item := w.ring[i&uint64(len(w.ring)-1)]; item.Position.Offset == offset {
				buf[n] = item
				n++
			}
		}
	}
	return n, true
}

// covers reports whether every item after the offset is still in the window.
func (w *window) covers(offset uint64) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return offset >= w.floor
}

// find returns the index of the first item after an offset. Offsets are dense in most logs, so it tries the index this
// gives before it searches.
func (w *window) find(offset uint64) uint64 {
	size := w.next - w.first
	if size == 0 {
		return w.next
	}
	offsetAt := func(i uint64) uint64 { return w.ring[(w.first+i)&uint64(len(w.ring)-1)].Position.Offset }
	oldest := offsetAt(0)
	if offset < oldest {
		return w.first
	}
	guess := offset - oldest + 1
	if guess <= size && offsetAt(guess-1) == offset {
		return w.first + guess
	}
	return w.first + uint64(sort.Search(int(size), func(i int) bool { return offsetAt(uint64(i)) > offset }))
}

// info returns what the window holds.
func (w *window) info(now time.Time) WindowInfo {
	w.mu.RLock()
	defer w.mu.RUnlock()
	info := WindowInfo{Events: int(w.next - w.first), Bytes: w.bytes.Load()}
	if info.Events > 0 {
		info.Age = now.Sub(w.ring[w.first&uint64(len(w.ring)-1)].arrived)
	}
	return info
}
