package memlog

import (
	"maps"
	"slices"
	"time"

	"carillon/internal/domain/event"
)

// keys remembers idempotency keys: the newest few, for a while. They are forgotten in the order they came, so a queue
// beside the table is all it takes.
type keys struct {
	most    int
	window  time.Duration
	offsets map[event.Key]uint64
	peak    int          // the most that offsets has held
	queue   []remembered // in order of time; those before head are forgotten
	head    int
}

// worthFreeing is how many forgotten keys are worth the work of giving their memory back.
const worthFreeing = 1024

type remembered struct {
	key event.Key
	at  time.Time
}

func newKeys(most int, window time.Duration) keys {
	return keys{most: most, window: window, offsets: make(map[event.Key]uint64)}
}

// find answers the offset of the first event with a key.
func (k *keys) find(key event.Key) (uint64, bool) {
	if key.IsZero() {
		return 0, false
	}
	offset, known := k.offsets[key]
	return offset, known
}

// remember keeps a key that is not known yet.
func (k *keys) remember(key event.Key, offset uint64, now time.Time) {
	if key.IsZero() {
		return
	}
	k.offsets[key] = offset
	k.peak = max(k.peak, len(k.offsets))
	k.queue = append(k.queue, remembered{key, now})
}

// trim forgets the keys whose time is over and those that are too many. It comes between appends, so that within one
// append every key is known.
func (k *keys) trim(now time.Time) {
	for k.head < len(k.queue) && (len(k.offsets) > k.most || now.Sub(k.queue[k.head].at) > k.window) {
		k.forget()
	}
}

// forget drops the oldest key, and gives memory back now and then: neither a map nor a queue does by itself.
func (k *keys) forget() {
	delete(k.offsets, k.queue[k.head].key)
	k.queue[k.head] = remembered{}
	k.head++
	switch {
	case k.head == len(k.queue):
		k.queue, k.head = k.queue[:0], 0
	case k.head >= worthFreeing && k.head > len(k.queue)/2:
		k.queue, k.head = slices.Clone(k.queue[k.head:]), 0
	}
	if k.peak >= worthFreeing && len(k.offsets) < k.peak/8 {
		smaller := make(map[event.Key]uint64, len(k.offsets))
		maps.Copy(smaller, k.offsets)
		k.offsets, k.peak = smaller, len(smaller)
	}
}
