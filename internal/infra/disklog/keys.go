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
	first   map[event.Key]first
	peak    int               // the most that first has held since it was made
	queue   queue[remembered] // in order of time
	deletes queue[uint64]     // offsets of forgotten keys that are still in the file
}

// first is the first event with a key.
type first struct {
	offset      uint64
	fingerprint uint64
}

type remembered struct {
	key    event.Key
	offset uint64
	at     int64
}

// remember keeps a key, or its newest event.
func (k *keys) remember(key event.Key, f first, at int64) {
	k.first[key] = f
	k.peak = max(k.peak, len(k.first))
	k.queue.push(remembered{key, f.offset, at})
}

// trim forgets the keys whose window is over and those that are too many. It runs between transactions, so that within
// one append every key is known.
func (k *keys) trim(now int64) {
	for k.queue.length() > 0 && (k.queue.length() > k.cfg.Keys || now-k.queue.front().at > int64(k.cfg.KeyWindow)) {
		k.forget()
	}
	if k.peak >= worthFreeing && len(k.first) < k.peak/8 {
		smaller := make(map[event.Key]first, len(k.first))
		maps.Copy(smaller, k.first)
		k.first, k.peak = smaller, len(smaller)
	}
}

// forget drops the oldest key. A file that was opened may hold a key twice, when it was used again after its window; the
// newer one stays.
func (k *keys) forget() {
	oldest := *k.queue.front()
	if k.first[oldest.key].offset == oldest.offset {
		delete(k.first, oldest.key)
	}
	k.deletes.push(oldest.offset)
	k.queue.pop()
}
