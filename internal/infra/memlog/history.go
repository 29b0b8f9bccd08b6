package memlog

import (
	"slices"
	"time"

	"carillon/internal/domain/event"
)

// minRing is the initial and the smallest length of the ring.
const minRing = 64

// history is a ring of entries with dense offsets: the one with offset o is at o modulo the ring's length, which
// doubles as needed up to the bound in events.
type history struct {
	cfg   Config
	ring  []event.Entry
	first uint64 // offset of the oldest entry
	next  uint64 // offset the next entry will get
	bytes int64
}

func newHistory(cfg Config) history { return history{cfg: cfg, first: 1, next: 1} }

func (h *history) count() int { return int(h.next - h.first) }

func (h *history) slot(offset uint64) *event.Entry { return &h.ring[offset%uint64(len(h.ring))] }

// push adds the entry with the next offset. It drops old entries first, so that a large batch does not exceed the bounds.
// An entry that is larger than the bound takes its offset and is dropped at once, with everything before it.
func (h *history) push(e event.Entry) {
	size := int64(e.Event.Size())
	for h.count() > 0 && (h.count() >= h.cfg.Events || size > h.cfg.Bytes-h.bytes) {
		h.drop()
	}
	if size > h.cfg.Bytes {
		h.next++
		h.first = h.next
		return
	}
	if h.count() == len(h.ring) {
		h.resize(min(max(minRing, 2*len(h.ring)), h.cfg.Events))
	}
	*h.slot(h.next) = e
	h.next++
	h.bytes += size
}

// trim drops entries that are too old, and shrinks a ring that is much too large.
func (h *history) trim(now time.Time) {
	for h.stale(now) {
		h.drop()
	}
	if n := len(h.ring); n > minRing && h.count() < n/8 {
		h.resize(max(minRing, 2*h.count()))
	}
}

// stale reports whether the oldest entry is too old.
func (h *history) stale(now time.Time) bool {
	return h.count() > 0 && now.Sub(h.slot(h.first).Time) > h.cfg.Age
}

func (h *history) drop() {
	oldest := h.slot(h.first)
	h.bytes -= int64(oldest.Event.Size())
	*oldest = event.Entry{} // otherwise the event would be kept until its slot is reused
	h.first++
}

func (h *history) resize(length int) {
	old := *h
	h.ring = make([]event.Entry, length)
	for o := h.first; o < h.next; o++ {
		*h.slot(o) = *old.slot(o)
	}
}

// after returns a copy of at most limit entries after an offset, oldest first. The entry right after the offset must not
// have been trimmed.
func (h *history) after(offset uint64, limit int) []event.Entry {
	if offset >= h.next-1 || limit <= 0 {
		return nil
	}
	n := min(limit, int(h.next-1-offset))
	from := int((offset + 1) % uint64(len(h.ring)))
	first := min(n, len(h.ring)-from) // up to the end of the ring; the others are at its beginning
	return slices.Concat(h.ring[from:from+first], h.ring[:n-first])
}
