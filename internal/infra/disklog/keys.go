package disklog

import (
	"maps"

	"carillon/internal/domain/event"
)

// keys is the index of the idempotency keys that are remembered. In the file a key is stored under the offset of its
// event, so that keys are appended and deleted in order and no transaction has to touch pages all over the tree; finding
// a key is the index's work. Only the committer uses it.
type keys struct {
	cfg     Config
	offsets map[event.Key]uint64
	peak    int               // the most that offsets has held since it was made
	queue   queue[remembered] // in order of time
	deletes queue[uint64]     // offsets of forgotten keys that are still in the file
}

type remembered struct {
	key    event.Key
	offset uint64
	at     int64
}

// remember keeps a key, or its newest offset.
func (k *keys) remember(key event.Key, offset uint64, at int64) {
	k.offsets[key] = offset
	k.peak = max(k.peak, len(k.offsets))
	k.queue.push(remembered{key, offset, at})
}

// trim forgets the keys whose window is over and those that are too many. It runs between transactions, so that within
// one append every key is known.
func (k *keys) trim(now int64) {
	for k.queue.length() > 0 && (k.queue.length() > k.cfg.Keys || now-k.queue.front().at > int64(k.cfg.KeyWindow)) {
		k.forget()
	}
	if k.peak >= worthFreeing && len(k.offsets) < k.peak/8 {
		smaller := make(map[event.Key]uint64, len(k.offsets))
		maps.Copy(smaller, k.offsets)
		k.offsets, k.peak = smaller, len(smaller)
	}
}

// forget drops the oldest key. A file that was opened may hold a key twice, when it was used again after its window; the
// newer one stays.
func (k *keys) forget() {
	oldest := *k.queue.front()
	if k.offsets[oldest.key] == oldest.offset {
		delete(k.offsets, oldest.key)
	}
	k.deletes.push(oldest.offset)
	k.queue.pop()
}
