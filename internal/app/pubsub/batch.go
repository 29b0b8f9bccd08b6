package pubsub

import "carillon/internal/domain/event"

const (
	// batchItems is how many items a shard matches before it reads its inbox again.
	batchItems = 256
	// batchHits ends a batch early, so that a burst to very many streams is matched in bounded memory.
	batchHits = 1 << 16
)

// batch is the working memory in which a shard matches items with streams. It is used again for each batch, so that a
// delivery allocates nothing.
type batch struct {
	items    [batchItems]*Item // copied from the window
	selected []*Item           // the items for one stream
	matched  []*members        // the subscriptions that one topic reaches
	hits     []hit
	streams  []*Stream // those with hits
}

// hit means that an item of the batch goes to a stream. The hits of a stream are a linked list, whose ends are in
// [Stream]: the shard reads the stream for each hit anyway, and no other memory.
type hit struct {
	item int32 // index among the items
	next int32 // index of the stream's next hit, or -1
}

// hitList is the list of a stream's hits in the batch.
type hitList struct{ first, last int32 } // indexes among the hits; first is -1 for an empty list

var noHits = hitList{first: -1, last: -1}

// match finds the items that live streams want. It returns how many of the items there was room for.
func (b *batch) match(x *index, items []*Item) int {
	for i, item := range items {
		if len(b.hits) > batchHits {
			return i
		}
		for _, topic := range item.Event.Topics {
			b.matched = x.match(topic, b.matched[:0])
			for _, m := range b.matched {
				b.addMembers(m, topic, item.Position.Offset, int32(i))
			}
		}
	}
	return len(items)
}

// addMembers adds a hit for each of the members whose stream is live and does not have the item yet.
func (b *batch) addMembers(m *members, topic event.Topic, offset uint64, item int32) {
	for i := range m.list {
		st := m.list[i].stream
		// A cursor at or past the offset means that another pattern or topic of the same event already added the item,
		// or that the stream starts later.
		if st.state != stateLive || st.cursor >= offset || !st.sub.Grant.Allows(topic) {
			continue
		}
		st.cursor = offset
		b.add(st, item)
	}
}

func (b *batch) add(st *Stream, item int32) {
	n := int32(len(b.hits))
	b.hits = append(b.hits, hit{item: item, next: -1})
	if st.hits.first < 0 {
		st.hits.first = n
		b.streams = append(b.streams, st)
	} else {
		b.hits[st.hits.last].next = n
	}
	st.hits.last = n
}

// take returns the items that go to a stream, and removes its hits. The slice is valid until the next call.
func (b *batch) take(st *Stream, items []*Item) []*Item {
	b.selected = b.selected[:0]
	for h := st.hits.first; h >= 0; h = b.hits[h].next {
		b.selected = append(b.selected, items[b.hits[h].item])
	}
	st.hits = noHits
	return b.selected
}

// filter returns those of the items that a stream wants. The slice is valid until the next call.
func (b *batch) filter(st *Stream, items []*Item) []*Item {
	b.selected = b.selected[:0]
	for _, item := range items {
		if st.wants(item.Event) {
			b.selected = append(b.selected, item)
		}
	}
	return b.selected
}

// reset ends the batch and drops its references to streams, so that it keeps none of them in memory.
func (b *batch) reset() {
	clear(b.streams)
	b.streams, b.hits = b.streams[:0], b.hits[:0]
}
