package memlog

import (
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
	if len(k.offsets) >= k.most {
		k.forget()
	}
	k.offsets[key] = offset
	k.queue = append(k.queue, remembered{key, now})
}

// expire forgets the keys whose time is over.
func (k *keys) expire(now time.Time) {
	for k.head < len(k.queue) && now.Sub(k.queue[k.head].at) > k.window {
		k.forget()
	}
}

func (k *keys) forget() {
	delete(k.offsets, k.queue[k.head].key)
	k.queue[k.head] = remembered{}
	k.head++
	switch {
	case k.head == len(k.queue):
		k.queue, k.head = nil, 0
		k.offsets = make(map[event.Key]uint64) // a map does not give memory back
	case k.head >= 1024 && k.head > len(k.queue)/2:
		k.queue = append([]remembered(nil), k.queue[k.head:]...)
		k.head = 0
	}
}
