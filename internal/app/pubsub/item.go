package pubsub

import (
	"math"
	"strings"
	"sync/atomic"

	"carillon/internal/domain/event"
)

// Form names a representation of events that some transport writes. The numbers are given out here so that no two
// transports share one; what the bytes mean is the transport's own affair.
type Form uint8

// The forms in use.
const (
	FormChunk     Form = iota // an SSE frame inside one HTTP/1.1 chunk
	FormGzipChunk             // the same, deflated
	formCount
)

// Item is an entry on its way to streams, with the bytes that transports made of it. It is shared by all of them.
type Item struct {
	event.Entry

	weight int32 // about how many bytes it takes with one form of it
	forms  [formCount]atomic.Pointer[[]byte]
}

// Bytes answers the item in a form and calls encode if nobody has yet. Concurrent first callers may encode twice; all
// get equal bytes. The bytes are shared: they must not be changed.
func (i *Item) Bytes(form Form, encode func(event.Entry) []byte) []byte {
	slot := &i.forms[form]
	if b := slot.Load(); b != nil {
		return *b
	}
	made := encode(i.Entry)
	if !slot.CompareAndSwap(nil, &made) {
		return *slot.Load()
	}
	return made
}

func newItems(entries []event.Entry) []*Item {
	block := make([]Item, len(entries))
	items := make([]*Item, len(entries))
	for i := range entries {
		block[i].Entry, block[i].weight = entries[i], weigh(entries[i].Event)
		items[i] = &block[i]
	}
	return items
}

// lineCost is what each line of data costs in an encoding: "data: " and its end.
const lineCost = 7

// weigh counts the event and the one form that most streams want.
func weigh(e event.Event) int32 {
	data := e.Data.String()
	return int32(min(e.Size()+len(data)+lineCost*(1+strings.Count(data, "\n"))+len(e.Type.String()), math.MaxInt32))
}
