package delivery

import (
	"carillon/internal/app/pubsub"
	"carillon/internal/transport/gzipjoin"
)

// body makes the content of one stream's response: as the codec writes it, or compressed. Either way an event's bytes
// are made once and shared; what belongs to the stream alone is the checksum that ends a compressed body.
type body struct {
	transport *Transport
	stream    *pubsub.Stream
	gzip      bool
	sum       gzipjoin.Checksum
}

// chunk returns the item in this content coding, in a chunk of its own. It is empty for an item that cannot be encoded.
func (b *body) chunk(item *pubsub.Item) []byte {
	if b.gzip {
		return b.transport.deflated.of(b.stream, item).chunk
	}
	return b.transport.chunks.of(b.stream, item)
}

// add adds items that were or will be written to the checksum.
func (b *body) add(items []*pubsub.Item) {
	if !b.gzip {
		return
	}
	for _, item := range items {
		b.sum.Join(b.transport.deflated.of(b.stream, item).sum)
	}
}

// first returns the content that begins the body with a frame.
func (b *body) first(frame []byte) []byte {
	if !b.gzip {
		return frame
	}
	b.sum = gzipjoin.Sum(frame)
	return gzipjoin.AppendStored([]byte(gzipjoin.Header), frame)
}

// next returns the content for a frame that only this stream gets.
func (b *body) next(frame []byte) []byte {
	if !b.gzip {
		return frame
	}
	b.sum.Join(gzipjoin.Sum(frame))
	return gzipjoin.AppendStored(nil, frame)
}

// last returns the content that ends the body with a frame.
func (b *body) last(frame []byte) []byte {
	content := b.next(frame)
	if b.gzip {
		content = gzipjoin.AppendEnd(content, b.sum)
	}
	return content
}
