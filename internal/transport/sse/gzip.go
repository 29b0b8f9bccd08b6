package sse

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"sync"

	"carillon/internal/domain/event"
)

// A gzip stream is a header, deflate blocks, and a trailer with a checksum of everything (RFC 1952). An event's blocks
// are made with an empty history and end on a byte, so they mean the same wherever they stand: one compression serves
// all streams, and no stream needs a compressor. Only the checksum differs, and the checksum of two pieces follows
// from theirs.
const (
	// gzipHeader is without name or time, and for an unknown system (RFC 1952, 2.3).
	gzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
	// emptyBlock is a stored block without content, and lastBlock one that is marked as the last (RFC 1951, 3.2.4).
	emptyBlock = "\x00\x00\x00\xff\xff"
	lastBlock  = "\x01\x00\x00\xff\xff"
	// maxStored is the longest stored block.
	maxStored = 1<<16 - 1
)

// checksum is the CRC-32 of some bytes, how many they are, and what appending them does to a checksum before them.
type checksum struct {
	crc   uint32
	size  uint32 // modulo 2^32, as the trailer wants it
	shift uint32 // x to the power of 8*size modulo the CRC's polynomial, bits reflected
}

func sumOf(b []byte) checksum {
	return checksum{crc: crc32.ChecksumIEEE(b), size: uint32(len(b)), shift: shiftOf(len(b))}
}

// join makes s the checksum of its own bytes followed by those of next.
func (s *checksum) join(next checksum) {
	s.crc = multiply(next.shift, s.crc) ^ next.crc
	s.size += next.size
}

// appendTrailer writes what a gzip stream ends with.
func (s *checksum) appendTrailer(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, s.crc)
	return binary.LittleEndian.AppendUint32(b, s.size)
}

// multiply multiplies two polynomials over GF(2) modulo that of CRC-32. The highest bit is the constant term.
func multiply(a, b uint32) uint32 {
	var product uint32
	for bit := uint32(1 << 31); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ crc32.IEEE
		} else {
			b >>= 1
		}
	}
	return product
}

// shiftOf is x to the power of 8*n, by squaring.
func shiftOf(n int) uint32 {
	result, power := uint32(1<<31), uint32(1<<23) // 1, and x to the power of 8
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			result = multiply(result, power)
		}
		power = multiply(power, power)
	}
	return result
}

// appendStored writes bytes as stored blocks, for what is too short or too personal to compress. The empty block at their
// end, which is what flushing a compressor writes too, tells readers to pass on what they have: Go's waits for one.
func appendStored(b, text []byte) []byte {
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

// compressors are large, and needed only while an event is encoded.
var compressors = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level is a constant that exists
	}
	return w
}}

// deflated is an event's frame, deflated, in a chunk. The chunk is nil for an event that cannot be encoded.
type deflated struct {
	sum   checksum // of the frame
	chunk []byte
}

// encodeDeflated compresses an event's frame.
func encodeDeflated(e event.Entry) (deflated, int) {
	frame, err := AppendEvent(nil, e)
	if err != nil {
		return deflated{}, 0
	}
	var out bytes.Buffer
	w, _ := compressors.Get().(*flate.Writer)
	defer compressors.Put(w)
	w.Reset(&out)
	// A buffer takes everything. Flush ends the blocks on a byte and does not mark them as the last.
	_, _ = w.Write(frame)
	_ = w.Flush()
	chunk := appendChunk(make([]byte, 0, chunkHead+out.Len()), out.Bytes())
	return deflated{sum: sumOf(frame), chunk: chunk}, cap(chunk)
}
