package server

import "fmt"

// capacity is how many streams the server accepts, and why.
type capacity struct {
	streams   int
	reason    string
	fileLimit int  // 0: the system has none
	tooMany   bool // more streams are configured than files can be open
}

const (
	// Files reserved for listeners, connections of publishers, and clients that are told to come back later: one in
	// reserveShare, and at least reserveLeast.
	reserveShare = 10
	reserveLeast = 64
	// unboundedStreams is the limit where the system has no file limit: more than one machine has been shown to carry.
	unboundedStreams = 1_000_000
)

// newCapacity derives the limit for streams from the limit for files, unless one is configured: each stream is a file,
// and a server without a free file cannot even accept a connection to refuse it.
func newCapacity(configured, fileLimit int, limited bool) capacity {
	c := capacity{streams: configured, reason: "configured", fileLimit: fileLimit}
	available := unboundedStreams
	if limited {
		available = max(1, fileLimit-max(reserveLeast, fileLimit/reserveShare))
	}
	switch {
	case configured > 0:
		c.tooMany = limited && configured > available
	case limited:
		c.streams = min(available, unboundedStreams)
		c.reason = fmt.Sprintf("derived from the file limit %d", fileLimit)
	default:
		c.streams = available
		c.reason = "derived: the system has no file limit"
	}
	return c
}
