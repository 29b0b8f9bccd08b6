package delivery

import (
	"bytes"
	"errors"
	"strconv"

	"carillon/internal/domain/event"
	"carillon/internal/transport/gzipjoin"
)

// errUnencodable ends the streams that want an event which the codec cannot encode: none may miss one silently.
var errUnencodable = errors.New("event cannot be encoded")

const (
	// maxChunkHead is the longest head of a chunk: its size in hexadecimal and a line end (RFC 9112, 7.1).
	maxChunkHead = 18
	// lastChunk ends a chunked body cleanly.
	lastChunk = "0\r\n\r\n"
)

// chunkEncoder returns the encoder of events as chunks: an event's frame in a chunk of its own, so that the same bytes
// serve every HTTP/1.1 stream however they are batched. Handlers take the frame out of the chunk. It is nil for an event
// that cannot be encoded.
func chunkEncoder(codec Codec) func(event.Entry) ([]byte, int) {
	return func(e event.Entry) ([]byte, int) {
		// The frame is written behind room for the chunk's head, whose length depends on the frame's.
		size := maxChunkHead + len(e.Event.Data.String()) + len(e.Event.Type.String()) + 128
		b, err := codec.AppendEvent(make([]byte, maxChunkHead, size), e)
		if err != nil {
			return nil, 0
		}
		head := appendChunkHead(make([]byte, 0, maxChunkHead), len(b)-maxChunkHead)
		start := maxChunkHead - len(head)
		copy(b[start:], head)
		chunk := append(b, '\r', '\n')[start:]
		return chunk, cap(chunk)
	}
}

// deflatedChunk is an event's frame, compressed, in a chunk. The chunk is nil for an event that cannot be encoded.
type deflatedChunk struct {
	sum   gzipjoin.Checksum // of the frame
	chunk []byte
}

// deflatedEncoder returns the encoder of events as compressed chunks.
func deflatedEncoder(codec Codec) func(event.Entry) (deflatedChunk, int) {
	return func(e event.Entry) (deflatedChunk, int) {
		frame, err := codec.AppendEvent(nil, e)
		if err != nil {
			return deflatedChunk{}, 0
		}
		piece := gzipjoin.Deflate(frame)
		chunk := appendChunk(make([]byte, 0, maxChunkHead+len(piece)), piece)
		return deflatedChunk{sum: gzipjoin.Sum(frame), chunk: chunk}, cap(chunk)
	}
}

// appendChunk writes a chunk.
func appendChunk(b, content []byte) []byte {
	b = append(appendChunkHead(b, len(content)), content...)
	return append(b, '\r', '\n')
}

func appendChunkHead(b []byte, size int) []byte {
	return append(strconv.AppendInt(b, int64(size), 16), '\r', '\n')
}

// contentOf returns what is inside a chunk.
func contentOf(chunk []byte) []byte {
	return chunk[bytes.IndexByte(chunk, '\n')+1 : len(chunk)-2]
}
