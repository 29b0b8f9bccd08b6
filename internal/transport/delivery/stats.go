package delivery

import (
	"net/http"
	"sync/atomic"
)

// Stats is what the streams of a server are doing.
type Stats struct {
	Open  map[string]int64 // streams that are open, by how they are written: taken_over, http1, http2
	Bytes int64            // written since the start, framing included
}

// Stats returns the current numbers. It may be called at any time.
func (s *Server) Stats() Stats {
	return Stats{
		Open: map[string]int64{
			"taken_over": s.counters.open[takenOver].Load(),
			"http1":      s.counters.open[handlerHTTP1].Load(),
			"http2":      s.counters.open[handlerHTTP2].Load(),
		},
		Bytes: s.counters.bytes.Load(),
	}
}

// path is how a stream's bytes get to its connection.
type path int

const (
	takenOver    path = iota
	handlerHTTP1      // written by the handler's goroutine
	handlerHTTP2      // likewise
	pathCount
)

// handlerPath returns the path of a request whose connection is not taken over.
func handlerPath(r *http.Request) path {
	if r.ProtoMajor == 2 {
		return handlerHTTP2
	}
	return handlerHTTP1
}

// counters count what all streams do.
type counters struct {
	_     [64]byte // every write of every shard changes what follows: keep it off the cache lines of what is read as often
	open  [pathCount]atomic.Int64
	bytes atomic.Int64
	_     [64]byte
}
