package delivery

import (
	"slices"
	"sync"
)

// batch is the chunks that one write to a connection sends.
type batch struct {
	chunks [][]byte
	joined [][]byte // the chunks that bytes has
	bytes  []byte
}

// content returns the chunks as one slice. Joining the same chunks again costs nothing.
func (b *batch) content() []byte {
	if len(b.chunks) == 1 {
		return b.chunks[0]
	}
	if !slices.EqualFunc(b.chunks, b.joined, sameBytes) {
		b.joined, b.bytes = append(b.joined[:0], b.chunks...), b.bytes[:0]
		for _, chunk := range b.chunks {
			b.bytes = append(b.bytes, chunk...)
		}
	}
	return b.bytes
}

// sameBytes reports whether two chunks are the same memory. Chunks are not empty.
func sameBytes(a, b []byte) bool { return len(a) == len(b) && &a[0] == &b[0] }

// batches keeps the last batch of each processor. Streams that want the same events are served one after the other, so
// most batches are joined once for all of them.
type batches struct{ pool sync.Pool }

// get returns a batch without chunks.
func (p *batches) get() *batch {
	b, _ := p.pool.Get().(*batch)
	if b == nil {
		b = &batch{}
	}
	return b
}

// put takes back a batch.
func (p *batches) put(b *batch) {
	clear(b.chunks)
	b.chunks = b.chunks[:0]
	p.pool.Put(b)
}
