package delivery

import (
	"net/http"
	"slices"
	"sync/atomic"
)

// Stats is what the streams of one transport are doing.
type Stats struct {
	Transport string
	Open      map[string]int64 // streams that are open, by how they are written: taken_over, http1, http2
	Bytes     int64            // written since the start, framing included
}

// Stats returns the current numbers of each transport. Transports with the same name are counted together. It may be
// called at any time.
func (s *Server) Stats() []Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Stats
	for _, t := range s.transports {
		i := slices.IndexFunc(all, func(other Stats) bool { return other.Transport == t.name })
		if i < 0 {
			i = len(all)
			all = append(all, Stats{Transport: t.name, Open: make(map[string]int64, pathCount)})
		}
		for path, name := range pathNames {
			all[i].Open[name] += t.counters.open[path].Load()
		}
		all[i].Bytes += t.counters.bytes.Load()
	}
	return all
}

// path is how a stream's bytes get to its connection.
type path int

const (
	takenOver    path = iota
	writtenHTTP1      // HTTP/1: hijacked, or HTTP/1.0 in its handler
	writtenHTTP2      // in its handler
	pathCount
)

var pathNames = [pathCount]string{takenOver: "taken_over", writtenHTTP1: "http1", writtenHTTP2: "http2"}

// writtenPath returns the path of a request whose stream a goroutine writes.
func writtenPath(r *http.Request) path {
	if r.ProtoMajor == 2 {
		return writtenHTTP2
	}
	return writtenHTTP1
}

// counters count what the streams of a transport do.
type counters struct {
	_     [64]byte // every write of every shard changes what follows: keep it off the cache lines of what is read as often
	open  [pathCount]atomic.Int64
	bytes atomic.Int64
	_     [64]byte
}
