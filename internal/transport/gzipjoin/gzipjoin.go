// Package gzipjoin builds gzip streams out of pieces that are compressed separately.
//
// A gzip stream is a header, deflate blocks, and a trailer with a checksum of everything (RFC 1952). A piece is made with
// an empty history and ends on a byte, so it means the same wherever it stands: one compression serves all streams, and
// no stream needs a compressor. Only the checksum differs from stream to stream, and the checksum of two pieces together
// follows from theirs.
//
// A stream is [Header], any number of pieces, and what [AppendEnd] writes for the joined [Checksum] of the pieces.
package gzipjoin

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"sync"
)

const (
	// Header is what a stream begins with: no name, no time, unknown system (RFC 1952, 2.3).
	Header = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

	// emptyBlock is a stored block without content, and lastBlock one that is marked as the last (RFC 1951, 3.2.4).
	emptyBlock = "\x00\x00\x00\xff\xff"
	lastBlock  = "\x01\x00\x00\xff\xff"
	// maxStored is the longest stored block.
	maxStored = 1<<16 - 1
)

// Deflate returns text as a compressed piece.
func Deflate(text []byte) []byte {
	var out bytes.Buffer
	w, _ := compressors.Get().(*flate.Writer)
	defer compressors.Put(w)
	w.Reset(&out)
	// Writing to a buffer cannot fail. Flush ends the blocks on a byte and does not mark them as the last.
	_, _ = w.Write(text)
	_ = w.Flush()
	return out.Bytes()
}

// compressors are large, and needed only while a piece is compressed.
var compressors = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level is a constant that exists
	}
	return w
}}

// AppendStored writes text as an uncompressed piece, for what is too short or too specific to one stream to compress. The
// empty block at its end, which flushing a compressor writes too, makes readers pass on what they have: Go's waits for
// one.
func AppendStored(b, text []byte) []byte {
	for len(text) > 0 {
		n := min(len(text), maxStored)
		b = append(b, 0)
		b = binary.LittleEndian.AppendUint16(b, uint16(n))
		b = binary.LittleEndian.AppendUint16(b, ^uint16(n))
		b = append(b, text[:n]...)
		text = text[n:]
	}
	return append(b, emptyBlock...)
}

// AppendEnd writes what a stream ends with. The checksum is that of all pieces, in their order.
func AppendEnd(b []byte, all Checksum) []byte {
	b = append(b, lastBlock...)
	b = binary.LittleEndian.AppendUint32(b, all.crc)
	return binary.LittleEndian.AppendUint32(b, all.size)
}
