package gzipjoin

import "hash/crc32"

// Checksum is the CRC-32 of some bytes and their number, in a form in which the checksums of two pieces can be joined
// without the pieces. The zero value is not the checksum of no bytes; [Sum] of nil is.
type Checksum struct {
	crc   uint32
	size  uint32 // modulo 2^32, as the trailer wants it
	shift uint32 // x to the power of 8*size modulo the CRC's polynomial, bits reflected: what appending the bytes does to a CRC before them
}

// Sum returns the checksum of the uncompressed text of a piece.
func Sum(text []byte) Checksum {
	return Checksum{crc: crc32.ChecksumIEEE(text), size: uint32(len(text)), shift: shiftOf(len(text))}
}

// Join makes c the checksum of its own bytes followed by those of next. Only next's shift is used, so c's is left as it
// is: a stream's checksum is only ever joined to, which saves a multiplication for each event.
func (c *Checksum) Join(next Checksum) {
	c.crc = multiply(next.shift, c.crc) ^ next.crc
	c.size += next.size
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

// shiftOf returns x to the power of 8*n, by squaring.
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
