package delivery

import (
	"errors"
	"net/http"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/transport/accept"
)

// Transport delivers streams in one format.
type Transport struct {
	server   *Server
	name     string
	codec    Codec
	refuser  Refuser // nil for a format whose clients are refused with a status
	chunks   *variants[[]byte]
	deflated *variants[deflatedChunk]
	counters counters
}

// Transport returns a transport for a format, with the name that its streams are counted under. It is called once for
// each codec, when the program starts: the events that a transport has encoded are shared by its own streams only.
func (s *Server) Transport(name string, codec Codec) *Transport {
	refuser, _ := codec.(Refuser)
	_, topics := codec.(TopicShower)
	t := &Transport{
		server: s, name: name, codec: codec, refuser: refuser,
		chunks: newVariants(topics, chunkEncoder(codec)), deflated: newVariants(topics, deflatedEncoder(codec)),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transports = append(s.transports, t)
	return t
}

// Frame returns an event in the transport's format, as a stream may see it. It is shared and must not be changed.
func (t *Transport) Frame(stream *pubsub.Stream, item *pubsub.Item) ([]byte, error) {
	chunk := t.chunks.of(stream, item)
	if len(chunk) == 0 {
		return nil, errUnencodable
	}
	return contentOf(chunk), nil
}

// Serve responds to a request with a stream. It returns at once where the connection leaves net/http, else when the
// stream has ended; the observer may be called from any goroutine. Headers that were set before stay.
func (t *Transport) Serve(w http.ResponseWriter, r *http.Request, stream *pubsub.Stream, observer Observer) {
	compression := t.server.cfg.Compression
	b := body{transport: t, stream: stream, gzip: compression && accept.Encoding(r.Header.Values("Accept-Encoding"), "gzip")}
	t.setHeader(w, r)
	if compression {
		w.Header().Add("Vary", "Accept-Encoding")
	}
	if b.gzip {
		w.Header().Set("Content-Encoding", "gzip")
	}
	serve := t.serveFromHandler
	switch {
	case t.server.handover.supports(r):
		serve = t.takeOver
	case r.ProtoMajor == 1 && r.ProtoMinor == 1:
		serve = t.hijack
	}
	err := serve(w, r, b, stream, observer)
	if errors.Is(err, http.ErrNotSupported) {
		err = t.serveFromHandler(w, r, b, stream, observer)
	}
	if err != nil {
		observer.Ended(Summary{Reason: pubsub.EndFailed, Problem: err})
	}
}

// CanRefuse reports whether the format has a refusal of its own; other formats' clients are refused with a status.
func (t *Transport) CanRefuse() bool { return t.refuser != nil }

// Refuse responds with the format's refusal. It must be called only if [Transport.CanRefuse] reports true. The client is
// told to come back after stream.refused_retry to twice that.
func (t *Transport) Refuse(w http.ResponseWriter, r *http.Request, reason string) {
	t.refuse(w, r, reason, jitter(t.server.cfg.RefusedRetry))
}

// RefuseFor refuses like [Transport.Refuse] a client that will be accepted after a known time: it is told to come back
// after that time and stream.retry to twice that.
func (t *Transport) RefuseFor(w http.ResponseWriter, r *http.Request, reason string, wait time.Duration) {
	t.refuse(w, r, reason, (wait + jitter(t.server.cfg.Retry)).Truncate(time.Millisecond))
}

func (t *Transport) refuse(w http.ResponseWriter, r *http.Request, reason string, retry time.Duration) {
	t.setHeader(w, r)
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close") // in HTTP/2 it would end the client's other streams too
	}
	w.WriteHeader(http.StatusOK)
	// Whether the client is still there to read it makes no difference.
	_, _ = w.Write(t.refuser.AppendRefusal(nil, reason, retry))
}

// setHeader sets the headers of every stream, which forbid proxies to buffer, store or change it, and those of the
// format.
func (t *Transport) setHeader(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache, no-store, no-transform")
	h.Set("X-Accel-Buffering", "no")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.ProtoMajor == 1 {
		h.Set("Connection", "keep-alive") // has no meaning, and is forbidden, in HTTP/2 (RFC 9113, 8.2.2)
	}
	t.codec.SetHeader(h)
}

// Opening returns what a stream begins with in the transport's format.
func (t *Transport) Opening(stream *pubsub.Stream) []byte {
	return t.codec.AppendOpening(nil, stream.Opening(), jitter(t.server.cfg.Retry))
}

// Goaway returns the end of a stream in the transport's format.
func (t *Transport) Goaway(reason pubsub.EndReason) []byte {
	return t.codec.AppendGoaway(nil, string(reason), jitter(t.server.cfg.Retry))
}

// isLost reports whether a stream ended because its client is no longer there.
func isLost(reason pubsub.EndReason) bool {
	return reason == pubsub.EndGone || reason == pubsub.EndFailed || reason == pubsub.EndDead
}
