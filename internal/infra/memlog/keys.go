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
	limit  int
	window time.Duration
	first  map[event.Key]first
	peak   int          // the maximum length of first since it was allocated
	queue  []remembered // in order of time; those before head are forgotten
	head   int
}

// freeThreshold is how many forgotten keys justify the work of freeing their memory.
const freeThreshold = 1024

// first is the first event with a key.
type first struct {
	offset      uint64
	fingerprint uint64
}

type remembered struct {
	key event.Key
	at  time.Time
}

func newKeys(limit int, window time.Duration) keys {
	return keys{limit: limit, window: window, first: make(map[event.Key]first)}
}

// find returns the first event with a key.
func (k *keys) find(key event.Key) (first, bool) {
	if key.IsZero() {
		return first{}, false
	}
	f, known := k.first[key]
	return f, known
}

// remember adds a key that is not known yet.
func (k *keys) remember(key event.Key, f first, now time.Time) {
	if key.IsZero() {
		return
	}
	k.first[key] = f
	k.peak = max(k.peak, len(k.first))
	k.queue = append(k.queue, remembered{key, now})
}

// length returns how many keys are remembered.
func (k *keys) length() int { return len(k.queue) - k.head }

// cut undoes the newest calls of remember until only length keys are left.
func (k *keys) cut(length int) {
	for k.length() > length {
		last := len(k.queue) - 1
		delete(k.first, k.queue[last].key)
		k.queue[last] = remembered{}
		k.queue = k.queue[:last]
	}
}

// trim forgets keys that are too old or too many. It is called between appends, so that within one append every key is
// known.
func (k *keys) trim(now time.Time) {
	for k.head < len(k.queue) && (len(k.first) > k.limit || now.Sub(k.queue[k.head].at) > k.window) {
		k.forget()
	}
}

// forget drops the oldest key, and frees memory from time to time: neither a map nor a slice shrinks by itself.
func (k *keys) forget() {
	delete(k.first, k.queue[k.head].key)
	k.queue[k.head] = remembered{}
	k.head++
	switch {
	case k.head == len(k.queue):
		k.queue, k.head = k.queue[:0], 0
	case k.head >= freeThreshold && k.head > len(k.queue)/2:
		k.queue, k.head = slices.Clone(k.queue[k.head:]), 0
	}
	if k.peak >= freeThreshold && len(k.first) < k.peak/8 {
		smaller := make(map[event.Key]first, len(k.first))
		maps.Copy(smaller, k.first)
		k.first, k.peak = smaller, len(smaller)
	}
}
