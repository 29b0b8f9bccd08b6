package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"carillon/internal/transport/sse"
)

const (
	burstGap         = 50 * time.Millisecond  // what arrives closer together is one burst
	splitGap         = 300 * time.Millisecond // a frame with a longer pause inside was cut by a buffer: servers write whole frames
	enoughBursts     = 6                      // that many show how a stream flows
	maxBursts        = 1000                   // that many are kept
	progressInterval = time.Second            // how often progress is reported
)

// burst is the data that arrived together.
type burst struct {
	after  time.Duration // the silence before it
	events int
}

// observation is what was observed of a stream. It does not grow with the stream.
type observation struct {
	response        *http.Response
	connected, head time.Time
	start           time.Time
	first, last     time.Time // the first and the last bytes; zero if none came
	longest         time.Duration
	bytes           int
	events          int
	comments        int
	ids             int // events with an id
	splits          int // frames with a pause inside
	bursts          []burst
	carillon        bool
	reset           string // the reason of the first carillon.reset
	goaway          string // the reason of the last carillon.goaway
	firstID         string
	lastID          string
	end             error // nil if the stream was left while it was open
	ended           time.Time

	whole   bool // what arrived last ended with a frame
	drained bool // what arrived last has been taken in
}

// collect watches a stream for a time, or until there is enough of it, or until it ends. Progress is reported each
// second.
func (s *stream) collect(ctx context.Context, limit time.Duration, enough func(*observation) bool, progress func(time.Duration)) *observation {
	o := &observation{response: s.response, connected: s.connected, head: s.head, start: time.Now(), whole: true}
	over, tick := time.NewTimer(limit), time.NewTicker(progressInterval)
	defer over.Stop()
	defer tick.Stop()
	for {
		select {
		case i := <-s.items:
			o.add(i)
			if o.end != nil || enough != nil && enough(o) {
				return o
			}
		case <-tick.C:
			if progress != nil {
				progress(time.Since(o.start))
			}
		case <-over.C:
			o.recordSilence(time.Now())
			return o
		case <-ctx.Done():
			return o
		}
	}
}

// add adds what arrived.
func (o *observation) add(i item) {
	switch {
	case i.end != nil:
		o.recordSilence(i.at)
		o.end, o.ended = i.end, i.at
	case i.drained:
		o.drained = true
	case i.message != nil:
		o.message(*i.message)
	case i.bytes > 0:
		o.arrival(i)
	default:
		o.comments++
		o.carillon = o.carillon || i.comment == "carillon" && o.events == 0
	}
}

func (o *observation) arrival(i item) {
	since := o.since(i.at)
	if !o.whole && since > splitGap {
		o.splits++
	}
	o.recordSilence(i.at)
	if (len(o.bursts) == 0 || since > burstGap) && len(o.bursts) < maxBursts {
		o.bursts = append(o.bursts, burst{after: since})
	}
	if o.first.IsZero() {
		o.first = i.at
	}
	o.last, o.whole, o.drained = i.at, i.whole, false
	o.bytes += i.bytes
}

// since returns how long nothing had arrived, at a time.
func (o *observation) since(at time.Time) time.Duration {
	if o.last.IsZero() {
		return at.Sub(o.start)
	}
	return at.Sub(o.last)
}

func (o *observation) recordSilence(at time.Time) { o.longest = max(o.longest, o.since(at)) }

func (o *observation) message(m sse.Message) {
	switch m.Type {
	case sse.TypeReset:
		if o.reset == "" {
			o.reset = reasonOf(m)
		}
		return
	case sse.TypeGoaway:
		o.goaway = reasonOf(m)
		return
	}
	if o.events == 0 {
		o.firstID = m.ID
	}
	o.events++
	if m.ID != "" {
		o.ids++
	}
	if n := len(o.bursts); n > 0 {
		o.bursts[n-1].events++
	}
}

// reasonOf returns the reason of a control event of Carillon.
func reasonOf(m sse.Message) string {
	var control struct {
		Reason string `json:"reason"`
	}
	if json.Unmarshal([]byte(m.Data), &control) != nil || control.Reason == "" {
		return "unknown"
	}
	return control.Reason
}
