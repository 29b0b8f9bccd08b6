package doctor

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"carillon/internal/transport/sse"
)

// errLate means that a connection was made, but no head arrived in time.
var errLate = errors.New("connected, but no response came in time")

// maxEvent bounds the data of an event that a stream may bring, in bytes.
const maxEvent = 16 << 20

// stream is an open event stream. Its goroutine reads it and passes on what arrives.
type stream struct {
	response  *http.Response
	connected time.Time
	head      time.Time
	items     chan item
	cancel    context.CancelFunc
	done      chan struct{}
	decoder   *sse.Decoder // the goroutine's until done is closed
}

// item is what arrived: bytes, or what a decoder made of them, or the end.
type item struct {
	at      time.Time
	bytes   int
	whole   bool // the bytes end where a frame does
	comment string
	message *sse.Message
	drained bool // all that arrived has been handed on
	end     error
}

// open requests a stream. A response that is no stream is returned as a reply.
func (t *Target) open(ctx context.Context, u *url.URL, extra http.Header) (*stream, *reply, error) {
	ctx, cancel := context.WithCancel(ctx)
	var connected atomic.Pointer[time.Time]
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		now := time.Now()
		connected.Store(&now)
	}})
	req, err := t.request(traced, http.MethodGet, u, http.Header{"Accept": {"text/event-stream"}, "Cache-Control": {"no-cache"}})
	if err != nil {
		cancel()
		return nil, nil, err
	}
	maps.Copy(req.Header, extra)
	sent := time.Now()
	limit := time.AfterFunc(t.cfg.Timeout, cancel)
	resp, err := t.http.RoundTrip(req)
	inTime := limit.Stop()
	switch {
	case err != nil && !inTime && connected.Load() != nil:
		err = errLate
	case err != nil && !inTime:
		err = errors.New("no connection within " + t.cfg.Timeout.String())
	}
	if err != nil {
		cancel()
		return nil, nil, err
	}
	if !isStream(resp) {
		r := replyOf(resp, sent)
		limit = time.AfterFunc(t.cfg.Timeout, cancel)
		r.readBody(resp)
		limit.Stop()
		cancel()
		resp.Body.Close()
		return nil, r, nil
	}
	s := &stream{response: resp, head: time.Now(), items: make(chan item), cancel: cancel, done: make(chan struct{})}
	s.connected = *connected.Load()
	go s.read(ctx)
	return s, nil, nil
}

// read reads the stream until it ends or the context does.
func (s *stream) read(ctx context.Context) {
	defer close(s.done)
	defer s.response.Body.Close()
	send := func(i item) {
		i.at = time.Now()
		select {
		case s.items <- i:
		case <-ctx.Done():
		}
	}
	body := io.Reader(s.response.Body)
	if s.response.Header.Get("Content-Encoding") == "gzip" {
		plain, err := gzip.NewReader(body)
		if err != nil {
			send(item{end: err})
			return
		}
		body = plain
	}
	s.decoder = sse.NewDecoder(&recorder{in: body, send: send}, maxEvent, "")
	s.decoder.Comment = func(text string) { send(item{comment: text}) }
	for {
		m, err := s.decoder.Next()
		if err != nil {
			send(item{end: err})
			return
		}
		send(item{message: &m})
	}
}

// close leaves the stream and completes what was observed of it.
func (s *stream) close(o *observation) {
	s.cancel()
	<-s.done
	if s.decoder != nil {
		o.lastID = s.decoder.LastEventID()
	}
}

// recorder reports each read that returned data, before the decoder gets it.
type recorder struct {
	in    io.Reader
	send  func(item)
	line  []byte // the first bytes of the line being read, without CR; enough to tell its field
	open  bool   // a frame has begun that only a blank line ends
	begun bool
}

const retryField = "retry:"

func (r *recorder) Read(p []byte) (int, error) {
	if r.begun {
		r.send(item{drained: true}) // the decoder reads again when it has used all data
	}
	n, err := r.in.Read(p)
	for _, c := range p[:n] {
		r.record(c)
	}
	if n > 0 {
		r.begun = true
		r.send(item{bytes: n, whole: !r.open && len(r.line) == 0})
	}
	return n, err
}

// record follows frames. Comments and retry lines count at once, so a server may send them without a blank line.
func (r *recorder) record(c byte) {
	switch {
	case c == '\r':
		return
	case c != '\n':
		if len(r.line) < len(retryField) {
			r.line = append(r.line, c)
		}
		return
	case len(r.line) == 0:
		r.open = false
	case r.line[0] != ':' && string(r.line) != retryField:
		r.open = true
	}
	r.line = r.line[:0]
}
