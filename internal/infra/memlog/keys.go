package memlog

import (
	"maps"
	"slices"
	"time"

	"carillon/internal/domain/event"
)

// keys remembers idempotency keys, bounded in number and time. Keys are forgotten in the order in which they were added,
// so a queue beside the map is enough.
type keys struct {
	limit   int
	window  time.Duration
	offsets map[event.Key]uint64
	peak    int          // the maximum length of offsets since it was allocated
	queue   []remembered // in order of time; those before head are forgotten
	head    int
}

// freeThreshold is how many forgotten keys justify the work of freeing their memory.
const freeThreshold = 1024

type remembered struct {
	key event.Key
	at  time.Time
}

func newKeys(limit int, window time.Duration) keys {
	return keys{limit: limit, window: window, offsets: make(map[event.Key]uint64)}
}

// find returns the offset of the first event with a key.
func (k *keys) find(key event.Key) (uint64, bool) {
	if key.IsZero() {
		return 0, false
	}
	offset, known := k.offsets[key]
	return offset, known
}

// remember adds a key that is not known yet.
func (k *keys) remember(key event.Key, offset uint64, now time.Time) {
	if key.IsZero() {
		return
	}
	k.offsets[key] = offset
	k.peak = max(k.peak, len(k.offsets))
	k.queue = append(k.queue, remembered{key, now})
}

// trim forgets keys that are too old or too many. It is called between appends, so that within one append every key is
// known.
func (k *keys) trim(now time.Time) {
	for k.head < len(k.queue) && (len(k.offsets) > k.limit || now.Sub(k.queue[k.head].at) > k.window) {
		k.forget()
	}
}

// forget drops the oldest key, and frees memory from time to time: neither a map nor a slice shrinks by itself.
func (k *keys) forget() {
	delete(k.offsets, k.queue[k.head].key)
	k.queue[k.head] = remembered{}
	k.head++
	switch {
	case k.head == len(k.queue):
		k.queue, k.head = k.queue[:0], 0
	case k.head >= freeThreshold && k.head > len(k.queue)/2:
		k.queue, k.head = slices.Clone(k.queue[k.head:]), 0
	}
	if k.peak >= freeThreshold && len(k.offsets) < k.peak/8 {
		smaller := make(map[event.Key]uint64, len(k.offsets))
		maps.Copy(smaller, k.offsets)
		k.offsets, k.peak = smaller, len(smaller)
	}
}
