// Package longpoll is the transport for clients that cannot read a stream: each request is answered with the events after
// a position, as soon as there are any, and with the position from which the next request continues.
//
// A poll is a short stream: it has the same subscription, rights and limits, and its sink gathers what comes. Polling
// with the position of the answer before misses and repeats nothing, because that position is the stream's own cursor.
package longpoll

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/transport/delivery"
)

// MediaType is the media type of an answer.
const MediaType = "application/json"

const (
	defaultWait = 25 * time.Second // shorter than the 30s after which many proxies give up on a response
	maxWait     = 60 * time.Second

	// gatherTime is how long a poll that has an event waits for more.
	gatherTime = 10 * time.Millisecond
	// maxEvents and maxBytes bound an answer. The client gets the rest with its next request.
	maxEvents = 1000
	maxBytes  = 1 << 20
	// catchUpTime bounds how long a poll that does not wait may take to look for events.
	catchUpTime = 2 * time.Second
)

// Transport answers long polls.
type Transport struct {
	name    string
	lines   *delivery.Transport // whose frames are a JSON event and a line end
	timeout time.Duration

	http1, http2, bytes atomic.Int64
}

// New returns a transport, with the name that its streams are counted under. It takes its events from a transport that
// writes lines of JSON, so that each event is encoded once for both. A client must take some of an answer within the
// timeout.
func New(name string, lines *delivery.Transport, timeout time.Duration) *Transport {
	return &Transport{name: name, lines: lines, timeout: timeout}
}

// Check returns an error that matches [event.ErrInvalid] if the parameter "wait" is not valid.
func (t *Transport) Check(r *http.Request) error {
	_, err := waitOf(r)
	return err
}

// waitOf returns how long a client wants to wait for an event.
func waitOf(r *http.Request) (time.Duration, error) {
	values := r.URL.Query()["wait"]
	switch {
	case len(values) > 1:
		return 0, &event.InvalidError{Field: "wait", Problem: "is given more than once"}
	case len(values) == 0 || values[0] == "":
		return defaultWait, nil
	}
	wait, err := time.ParseDuration(values[0])
	if err != nil || wait < 0 || wait > maxWait {
		return 0, &event.InvalidError{Field: "wait", Problem: "is not a duration from 0s to " + maxWait.String() + ", such as 25s"}
	}
	return wait, nil
}

// Serve answers a request with the events of a stream, and ends the stream.
func (t *Transport) Serve(w http.ResponseWriter, r *http.Request, stream *pubsub.Stream, observer delivery.Observer) {
	wait, err := waitOf(r)
	if err != nil {
		wait = defaultWait // the caller has checked it
	}
	open := &t.http1
	if r.ProtoMajor == 2 {
		open = &t.http2
	}
	open.Add(1)
	defer open.Add(-1)

	p := newPoll(t.lines, stream, observer)
	stream.Attach(p)
	left := p.wait(r.Context(), wait)
	if left {
		stream.End(pubsub.EndGone)
	} else {
		stream.End(pubsub.EndAnswered)
	}
	<-p.ended
	var content []byte
	if !left {
		content = p.answer()
	}
	// Before the answer: the client's next request needs the place of this one.
	observer.Ended(delivery.Summary{Events: p.count, Bytes: int64(len(content)), Reason: p.reason})
	if !left {
		t.answer(w, content)
	}
}

func (t *Transport) answer(w http.ResponseWriter, content []byte) {
	h := w.Header()
	h.Set("Content-Type", MediaType)
	h.Set("Content-Length", strconv.Itoa(len(content)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	// A client that has left does not move on to the next position.
	n, _ := delivery.WriteSteadily(w, content, t.timeout)
	t.bytes.Add(int64(n))
}

// Stats returns the polls that wait now, and the bytes of all answers. It may be called at any time.
func (t *Transport) Stats() delivery.Stats {
	return delivery.Stats{
		Transport: t.name,
		Open:      map[string]int64{"http1": t.http1.Load(), "http2": t.http2.Load()},
		Bytes:     t.bytes.Load(),
	}
}
