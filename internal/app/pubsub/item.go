package pubsub

import (
	"math"
	"sync/atomic"
	"time"

	"carillon/internal/domain/event"
)

// Item is an entry being delivered, with the encodings that transports made of it. All streams share it.
type Item struct {
	event.Entry

	// arrived is when this node got the entry. Its time can come from another clock, or from before a restart, and then
	// has no monotonic reading.
	arrived time.Time

	encodings atomic.Pointer[encoded] // a list, newest first
	// size is how many bytes the event and its encodings take, or [dropped] once the window dropped the item.
	size   atomic.Int64
	window *window // the window whose bytes include size; nil for items read from the log's history
}

// dropped is the size of an item that no longer counts towards the bytes of a window.
const dropped = math.MinInt64

// newItems returns the items of entries that arrived at a time; the zero time stands for the times of the entries.
func newItems(entries []event.Entry, arrived time.Time) []*Item {
	block := make([]Item, len(entries))
	items := make([]*Item, len(entries))
	for i := range entries {
		block[i].Entry, block[i].arrived = entries[i], arrived
		if arrived.IsZero() {
			block[i].arrived = entries[i].Time
		}
		block[i].size.Store(int64(entries[i].Event.Size()))
		items[i] = &block[i]
	}
	return items
}

// addBytes adds the bytes of an encoding that the item keeps.
func (i *Item) addBytes(bytes int) {
	for {
		size := i.size.Load()
		if size == dropped {
			return
		}
		if i.size.CompareAndSwap(size, size+int64(bytes)) {
			break
		}
	}
	if i.window != nil {
		i.window.addBytes(int64(bytes))
	}
}
