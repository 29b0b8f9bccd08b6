package pubsub

import (
	"math"
	"sync/atomic"

	"carillon/internal/domain/event"
)

// Item is an entry on its way to streams, with the encodings that transports made of it. It is shared by all streams.
type Item struct {
	event.Entry

	encodings atomic.Pointer[encoded] // a list, newest first
	// size is how many bytes the event and its encodings take, or [dropped] once the window let the item go.
	size   atomic.Int64
	window *window // where size counts; nil for items read from the log's history
}

// dropped is the size of an item that counts nowhere any more.
const dropped = math.MinInt64

func newItems(entries []event.Entry) []*Item {
	block := make([]Item, len(entries))
	items := make([]*Item, len(entries))
	for i := range entries {
		block[i].Entry = entries[i]
		block[i].size.Store(int64(entries[i].Event.Size()))
		items[i] = &block[i]
	}
	return items
}

// grow counts bytes of an encoding that the item keeps.
func (i *Item) grow(bytes int) {
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
		i.window.grew(int64(bytes))
	}
}
