package memlog

import (
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
	queue   []remembered // in order of time; those before head are forgotten
	head    int
}

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
	case k.head == len(k.queue) && k.head >= 1024:
		k.queue, k.head = nil, 0
		k.offsets = make(map[event.Key]uint64)
	case k.head == len(k.queue):
		k.queue, k.head = k.queue[:0], 0
	case k.head >= 1024 && k.head > len(k.queue)/2:
		k.queue = slices.Clone(k.queue[k.head:])
		k.head = 0
	}
}
