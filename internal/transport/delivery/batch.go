package delivery

import (
	"slices"
	"sync"

	"carillon/internal/app/pubsub"
)

// batch is the chunks of several items, joined for one write.
type batch struct {
	transport *Transport
	gzip      bool
	items     []*pubsub.Item
	bytes     []byte
}

// batches keeps the last batch of each processor. Streams that want the same events are served one after the other, so
// most batches are joined once for all of them.
type batches struct{ pool sync.Pool }

// with calls use with the chunks of the items joined, and returns its results.
func (p *batches) with(to *body, items []*pubsub.Item, use func([]byte) (int, error)) (int, error) {
	b, _ := p.pool.Get().(*batch)
	if b == nil {
		b = &batch{}
	}
	if b.transport != to.transport || b.gzip != to.gzip || !slices.Equal(b.items, items) {
		b.transport, b.gzip, b.items, b.bytes = to.transport, to.gzip, append(b.items[:0], items...), b.bytes[:0]
		for _, item := range items {
			b.bytes = append(b.bytes, to.chunk(item)...)
		}
	}
	n, err := use(b.bytes)
	p.pool.Put(b)
	return n, err
}
