package sse

import (
	"context"
	"errors"
	"net/http"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// Observer is told of one stream. Its methods must be quick and wait for nobody: other streams wait meanwhile.
type Observer interface {
	// Reset is told when a stream that runs misses events.
	Reset(r pubsub.Reset)
	// Ended is told once, when all is over.
	Ended(did Summary)
}

// Summary is what a stream did, told once it is over.
type Summary struct {
	Events  int64
	Bytes   int64 // of the body, framing included
	Reason  pubsub.EndReason
	Problem error // what kept the stream from beginning, if anything did
}

// Server writes streams to HTTP clients. A plain HTTP/1.1 connection is taken over where the platform allows it: the
// handler returns and no goroutine stays behind. On any other, the handler's own goroutine writes.
type Server struct {
	cfg     Config
	taker   taker
	batches batches
	tally   tally
}

// New makes a server; [Server.Run] must be running for streams that are taken over.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg}
	if cfg.TakeOver {
		if err := s.taker.open(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Run watches taken-over connections until the context ends. It must outlive the streams.
func (s *Server) Run(ctx context.Context) error { return s.taker.run(ctx) }

// Serve answers a request with a stream. It returns at once where the connection is taken over, else when the stream
// has ended; the observer is called from any goroutine. Headers set before stay.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, stream *pubsub.Stream, seen Observer) {
	s.head(w, r)
	code := coding{gzip: s.cfg.Compression && acceptsGzip(r)}
	if s.cfg.Compression {
		w.Header().Add("Vary", "Accept-Encoding")
	}
	if code.gzip {
		w.Header().Set("Content-Encoding", "gzip")
	}
	if s.taker.takes(r) {
		switch err := s.takeOver(w, code, stream, seen); {
		case err == nil:
			return
		case !errors.Is(err, http.ErrNotSupported):
			seen.Ended(Summary{Reason: pubsub.EndFailed, Problem: err})
			return
		}
	}
	s.write(w, r, code, stream, seen)
}

// Refuse turns a client away for now without losing it: a browser's EventSource gives up for ever on any status but
// 200, so it is given a stream that says why and ends, and a time to come back after.
func (s *Server) Refuse(w http.ResponseWriter, r *http.Request, reason string) {
	s.head(w, r)
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close") // in HTTP/2 it would end the client's other streams too
	}
	w.WriteHeader(http.StatusOK)
	// Whether the client is still there to read it makes no difference.
	_, _ = w.Write(AppendGoaway(nil, reason, jitter(s.cfg.RefusedRetry)))
}

// head sets what every event stream's head says: that nobody may buffer, keep or change it.
func (s *Server) head(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-store, no-transform")
	h.Set("X-Accel-Buffering", "no")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.ProtoMajor == 1 {
		h.Set("Connection", "keep-alive") // has no meaning, and is forbidden, in HTTP/2 (RFC 9113, 8.2.2)
	}
}

// opening is what a client is told before any event: when to come back, where it stands, and what it missed.
func (s *Server) opening(stream *pubsub.Stream) []byte {
	opening := stream.Opening()
	if opening.Reset != nil || opening.Resumed {
		opening.At = event.Position{} // the reset tells it, or the client knows it
	}
	b := AppendOpening(nil, jitter(s.cfg.Retry), opening.At)
	if opening.Reset != nil {
		b = AppendReset(b, *opening.Reset)
	}
	return b
}

// farewell is what a client is told when its stream ends; nothing where it is not there to hear it.
func (s *Server) farewell(why pubsub.EndReason) []byte {
	if lost(why) {
		return nil
	}
	return AppendGoaway(nil, string(why), jitter(s.cfg.Retry))
}

// lost reports whether a stream ended because its client is no longer there.
func lost(why pubsub.EndReason) bool {
	return why == pubsub.EndGone || why == pubsub.EndFailed || why == pubsub.EndDead
}
