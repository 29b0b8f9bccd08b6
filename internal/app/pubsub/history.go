package pubsub

import (
	"context"
	"math"
	"time"

	"carillon/internal/domain/event"
)

// history reads pages of what the log keeps. Most of what is read is recent and is in the window, from which items
// are shared; the log has the older ones.
type history struct {
	log    Log
	window *window
}

// older reads the page right after an offset from the log: limit items, or all there are if those are fewer. The page
// ends early once its events have maxBytes, but has at least one. Errors are those of [Log.Read].
func (h history) older(ctx context.Context, after event.Position, limit, maxBytes int) ([]*Item, error) {
	entries, err := h.log.Read(ctx, after, limit)
	return newItems(firstBytes(entries, maxBytes), time.Time{}), err
}

// read returns the page right after an offset from the window, if it has the whole page, or from the log. The page has
// len(buf) items, or all there are if those are fewer; they may be stored in buf.
func (h history) read(ctx context.Context, after event.Position, buf []*Item) ([]*Item, error) {
	if n, _ := h.window.after(after.Offset, buf); n == len(buf) {
		return buf, nil
	}
	return h.older(ctx, after, len(buf), math.MaxInt)
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
