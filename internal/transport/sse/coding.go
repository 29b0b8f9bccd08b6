package sse

import (
	"net/http"
	"strconv"
	"strings"

	"carillon/internal/app/pubsub"
)

// coding is how one stream's frames are written: as they are, or deflated. Either way an event's bytes are made once
// and shared; what belongs to the stream alone is the checksum that ends it.
type coding struct {
	gzip bool
	sum  checksum
}

// chunk is the item in this coding, in a chunk of its own. It is empty for an item that cannot be encoded.
func (c *coding) chunk(item *pubsub.Item) []byte {
	if c.gzip {
		return deflatedChunks.Of(item).chunk
	}
	return chunks.Of(item)
}

// took counts items in that were written, or will be.
func (c *coding) took(items []*pubsub.Item) {
	if !c.gzip {
		return
	}
	for _, item := range items {
		c.sum.join(deflatedChunks.Of(item).sum)
	}
}

// open is the frame a stream begins with, behind what the coding begins with.
func (c *coding) open(frame []byte) []byte {
	if !c.gzip {
		return frame
	}
	c.sum = sumOf(frame)
	return appendStored([]byte(gzipHeader), frame)
}

// own is a frame that only this stream gets.
func (c *coding) own(frame []byte) []byte {
	if !c.gzip {
		return frame
	}
	c.sum.join(sumOf(frame))
	return appendStored(nil, frame)
}

// close is the last frame, which may be empty, and what the coding ends with.
func (c *coding) close(frame []byte) []byte {
	content := c.own(frame)
	if c.gzip {
		content = c.sum.appendTrailer(append(content, lastBlock...))
	}
	return content
}

// acceptsGzip reports whether a client takes gzip (RFC 9110, 12.5.3).
func acceptsGzip(r *http.Request) bool {
	others := false
	for coding := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, parameters, _ := strings.Cut(coding, ";")
		weight, weighted := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		taken := !weighted || err == nil && q > 0
		switch name = strings.TrimSpace(name); {
		case strings.EqualFold(name, "gzip"):
			return taken
		case name == "*":
			others = taken // unless gzip is named, before it or behind
		}
	}
	return others
}
