package main

import "fmt"

// capacity is how many streams the server takes, and why.
type capacity struct {
	streams   int
	reason    string
	fileLimit int  // 0 where the system has none
	tooMany   bool // more streams are allowed than there can be files
}

const (
	// Files that streams may not use up: listeners, publishers' connections, and clients that are told to come later.
	reserveShare = 10 // one in so many
	reserveLeast = 64
	// unboundedStreams is the limit where the system sets none: above what one machine has carried.
	unboundedStreams = 1_000_000
)

// newCapacity derives the limit for streams from the limit for files, unless one is configured: each stream is a file,
// and a server without a file to spare can accept nobody, not even to say so.
func newCapacity(configured, fileLimit int, limited bool) capacity {
	c := capacity{streams: configured, reason: "configured", fileLimit: fileLimit}
	room := unboundedStreams
	if limited {
		room = max(1, fileLimit-max(reserveLeast, fileLimit/reserveShare))
	}
	switch {
	case configured > 0:
		c.tooMany = limited && configured > room
	case limited:
		c.streams = min(room, unboundedStreams)
		c.reason = fmt.Sprintf("derived from the file limit %d", fileLimit)
	default:
		c.streams = room
		c.reason = "derived: the system has no file limit"
	}
	return c
}
