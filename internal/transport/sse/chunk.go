package sse

import (
	"bytes"
	"slices"
	"strconv"
	"sync"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// chunkHead is room for a chunk's size in hexadecimal and its line end (RFC 9112, 7.1).
const chunkHead = 18

// lastChunk ends a chunked body cleanly.
const lastChunk = "0\r\n\r\n"

// chunks and deflatedChunks are the encodings that taken-over connections and handlers share.
var (
	chunks         = pubsub.NewEncoding(encodeChunk)
	deflatedChunks = pubsub.NewEncoding(encodeDeflated)
)

// encodeChunk is the event's frame in a chunk of its own, so that the same bytes serve every HTTP/1.1 stream however
// they are batched. It is nil for an event that cannot be encoded, which ends the streams that want it: none may be left
// out silently.
func encodeChunk(e event.Entry) ([]byte, int) {
	room := chunkHead + len(e.Event.Data.String()) + len(e.Event.Type.String()) + 128
	b, err := AppendEvent(make([]byte, chunkHead, room), e)
	if err != nil {
		return nil, 0
	}
	head := appendSize(make([]byte, 0, chunkHead), len(b)-chunkHead)
	start := chunkHead - len(head)
	copy(b[start:], head)
	chunk := append(b, '\r', '\n')[start:]
	return chunk, cap(chunk)
}

// appendChunk writes a chunk.
func appendChunk(b, content []byte) []byte {
	b = append(appendSize(b, len(content)), content...)
	return append(b, '\r', '\n')
}

func appendSize(b []byte, n int) []byte {
	return append(strconv.AppendInt(b, int64(n), 16), '\r', '\n')
}

// contentOf is what is inside a chunk.
func contentOf(chunk []byte) []byte {
	return chunk[bytes.IndexByte(chunk, '\n')+1 : len(chunk)-2]
}

// batch is several items' chunks in one piece, for one write.
type batch struct {
	gzip  bool
	items []*pubsub.Item
	bytes []byte
}

// batches keeps the last batch of each processor. Streams that want the same events are served one after the other,
// so most batches are put together once for all of them.
type batches struct{ pool sync.Pool }

// with calls use with the chunks of the items in one piece.
func (p *batches) with(c *coding, items []*pubsub.Item, use func([]byte) (int, error)) (int, error) {
	b, _ := p.pool.Get().(*batch)
	if b == nil {
		b = &batch{}
	}
	if b.gzip != c.gzip || !slices.Equal(b.items, items) {
		b.gzip, b.items, b.bytes = c.gzip, append(b.items[:0], items...), b.bytes[:0]
		for _, item := range items {
			b.bytes = append(b.bytes, c.chunk(item)...)
		}
	}
	n, err := use(b.bytes)
	p.pool.Put(b)
	return n, err
}
