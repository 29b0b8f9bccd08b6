package pubsub

import (
	"context"

	"carillon/internal/domain/event"
)

// history reads pages of what the log keeps. Most of what is read is recent and stands in the window, from which items
// are shared; the log has the rest.
type history struct {
	log    Log
	window *window
}

// recent copies the items right after an offset from the window into buf, oldest first. It does not block. It reports
// false when the window does not have them: it dropped them, or never had them, because the log trimmed them before it
// could deliver them.
func (h history) recent(after uint64, buf []*Item) (int, bool) {
	n, covered := h.window.after(after, buf)
	for i, item := range buf[:n] {
		// Some logs leave offsets out. A gap hides a loss only if the log has trimmed entries after it.
		if item.Position.Offset > after+1 && h.log.Extent().Oldest > after+1 {
			clear(buf[i:n])
			return i, i > 0
		}
		after = item.Position.Offset
	}
	return n, covered
}

// read returns the page right after an offset: len(buf) items, or all there are if those are fewer. A page from the log
// ends early once its events have maxBytes; it has at least one. Errors are those of [Log.Read]. The items may stand in
// buf.
func (h history) read(ctx context.Context, after uint64, buf []*Item, maxBytes int) ([]*Item, error) {
	if n, _ := h.recent(after, buf); n == len(buf) {
		return buf, nil
	}
	entries, err := h.log.Read(ctx, after, len(buf))
	return newItems(firstBytes(entries, maxBytes)), err
}

// firstBytes returns as many of the entries as have together at most maxBytes, and at least the first one.
func firstBytes(entries []event.Entry, maxBytes int) []event.Entry {
	size := 0
	for i, e := range entries {
		if size += e.Event.Size(); size > maxBytes && i > 0 {
			return entries[:i]
		}
	}
	return entries
}
