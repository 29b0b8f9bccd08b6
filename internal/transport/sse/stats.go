package sse

import (
	"net/http"
	"sync/atomic"
)

// Stats is what the streams of a server are doing.
type Stats struct {
	Open  map[string]int64 // how many are open, by how they are written: taken_over, http1, http2
	Bytes int64            // written to all there ever were, framing included
}

// Stats answers the counters. It may be called at any time.
func (s *Server) Stats() Stats {
	return Stats{
		Open: map[string]int64{
			"taken_over": s.tally.open[takenOver].Load(),
			"http1":      s.tally.open[overHTTP1].Load(),
			"http2":      s.tally.open[overHTTP2].Load(),
		},
		Bytes: s.tally.bytes.Load(),
	}
}

// way is how a stream is written.
type way int

const (
	takenOver way = iota
	overHTTP1     // by its handler's goroutine
	overHTTP2     // likewise
	ways
)

func wayOf(r *http.Request) way {
	if r.ProtoMajor == 2 {
		return overHTTP2
	}
	return overHTTP1
}

// tally counts what all streams do.
type tally struct {
	_     [64]byte // every write of every shard changes what follows; what stands before it is read as often
	open  [ways]atomic.Int64
	bytes atomic.Int64
	_     [64]byte
}
