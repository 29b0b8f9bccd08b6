package memlog

import (
	"time"

	"carillon/internal/domain/event"
)

// smallestRing is where a history's ring begins, and what it shrinks back to.
const smallestRing = 64

// history is a ring of entries with dense offsets: the one with offset o stands at o modulo its length, a power of two.
type history struct {
	cfg   Config
	ring  []event.Entry
	first uint64 // offset of the oldest entry
	next  uint64 // offset the next entry will get
	bytes int64
}

func newHistory(cfg Config) history { return history{cfg: cfg, first: 1, next: 1} }

func (h *history) slot(offset uint64) *event.Entry { return &h.ring[offset&uint64(len(h.ring)-1)] }

// push adds the entry with the next offset. Bounds in events and bytes hold after each, so that a large batch does not
// grow the ring past them.
func (h *history) push(e event.Entry) {
	if h.next-h.first == uint64(len(h.ring)) {
		h.resize(max(smallestRing, 2*len(h.ring)))
	}
	*h.slot(h.next) = e
	h.next++
	h.bytes += int64(e.Event.Size())
	for h.next-h.first > uint64(h.cfg.Events) || h.bytes > h.cfg.Bytes {
		h.drop()
	}
}

// trim drops what is too old, and lets go of a ring that became much too large.
func (h *history) trim(now time.Time) {
	for h.stale(now) {
		h.drop()
	}
	if n := len(h.ring); n > smallestRing && h.next-h.first < uint64(n/8) {
		h.resize(n / 4)
	}
}

// stale reports whether the oldest entry is too old.
func (h *history) stale(now time.Time) bool {
	return h.first < h.next && now.Sub(h.slot(h.first).Time) > h.cfg.Age
}

func (h *history) drop() {
	oldest := h.slot(h.first)
	h.bytes -= int64(oldest.Event.Size())
	*oldest = event.Entry{} // or it would be kept until the ring comes round
	h.first++
}

func (h *history) resize(n int) {
	old := *h
	h.ring = make([]event.Entry, n)
	for o := h.first; o < h.next; o++ {
		*h.slot(o) = *old.slot(o)
	}
}

// after copies the entries that stand after an offset, oldest first, at most limit of them.
func (h *history) after(offset uint64, limit int) []event.Entry {
	if offset+1 >= h.next || limit <= 0 {
		return nil
	}
	end := min(h.next, offset+1+uint64(limit))
	entries := make([]event.Entry, 0, end-offset-1)
	for o := offset + 1; o < end; o++ {
		entries = append(entries, *h.slot(o))
	}
	return entries
}
