package disklog

// history knows which entries are kept. Their bytes are on disk; what trimming needs to know of each is in memory. The
// entry with offset first+i is at index i of kept. Trimmed entries stay in the file until a later transaction deletes them.
type history struct {
	cfg   Config
	kept  queue[appended]
	first uint64 // offset of the oldest entry
	next  uint64 // offset the next entry will get
	bytes int64
}

// appended is what trimming needs to know of an entry.
type appended struct {
	at   int64 // when it was appended, by the log's clock
	size uint32
}

// push adds the entry with the next offset. An entry larger than all the room there is takes its offset and is trimmed
// at once, with everything before it.
func (h *history) push(m appended) {
	size := int64(m.size)
	for h.kept.length() > 0 && (h.kept.length() >= h.cfg.Events || size > h.cfg.Bytes-h.bytes) {
		h.drop()
	}
	h.next++
	if size > h.cfg.Bytes {
		h.first = h.next
		return
	}
	h.kept.push(m)
	h.bytes += size
}

// trim drops what is too old.
func (h *history) trim(now int64) {
	for h.stale(now) {
		h.drop()
	}
}

// stale reports whether the oldest entry is too old.
func (h *history) stale(now int64) bool {
	return h.kept.length() > 0 && now-h.kept.front().at > int64(h.cfg.Age)
}

func (h *history) drop() {
	h.bytes -= int64(h.kept.front().size)
	h.kept.pop()
	h.first++
}
