package longpoll

import (
	"bytes"
	"context"
	"sync"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/jsonevent"
)

// poll is the sink of a request's stream. It gathers events until the answer is large enough or the request's goroutine
// ends the stream.
type poll struct {
	lines    *delivery.Transport
	stream   *pubsub.Stream
	observer delivery.Observer

	some   chan struct{} // closed when there is something to answer with
	enough chan struct{} // closed when the answer takes no more
	live   chan struct{} // closed when the stream has caught up
	ended  chan struct{} // closed as the last act; what follows may then be read

	// What follows belongs to the stream's shard until the poll has ended.

	events []byte // of the answer, separated by commas
	size   int    // events that the answer has, control events included
	count  int64  // without control events
	next   event.Position
	reason pubsub.EndReason
	once   struct{ some, enough, live sync.Once }
}

func newPoll(lines *delivery.Transport, stream *pubsub.Stream, observer delivery.Observer) *poll {
	opening := stream.Opening()
	p := &poll{
		lines: lines, stream: stream, observer: observer, next: opening.At,
		some: make(chan struct{}), enough: make(chan struct{}), live: make(chan struct{}), ended: make(chan struct{}),
	}
	if opening.Reset != nil {
		p.add(jsonevent.AppendReset(nil, *opening.Reset, 0))
	}
	return p
}

// wait returns when it is time to answer, and reports whether the client has left instead.
func (p *poll) wait(ctx context.Context, atMost time.Duration) (left bool) {
	live := p.live
	if atMost == 0 {
		atMost = catchUpTime
	} else {
		live = nil // for ever
	}
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-p.some:
	case <-live:
		return false
	case <-timer.C:
		return false
	case <-p.ended:
		return false
	case <-ctx.Done():
		return true
	}
	timer.Reset(gatherTime)
	select {
	case <-p.enough:
	case <-live:
	case <-timer.C:
	case <-p.ended:
	case <-ctx.Done():
		return true
	}
	return false
}

// Send takes events while the answer has room.
func (p *poll) Send(items []*pubsub.Item) (int, error) {
	for i, item := range items {
		frame, err := p.lines.Frame(p.stream, item)
		if err != nil {
			return i, err
		}
		frame = bytes.TrimSuffix(frame, []byte("\n"))
		if p.size >= maxEvents || p.size > 0 && len(p.events)+len(frame) > maxBytes {
			p.once.enough.Do(func() { close(p.enough) })
			return i, nil
		}
		if item.Position.IsZero() { // a state, such as a presence, which every poll is told: nobody waits for it
			p.append(frame)
			continue
		}
		p.add(frame)
		p.count++
	}
	return len(items), nil
}

// Flush does nothing: the answer is written when it is complete.
func (p *poll) Flush() error { return nil }

// Heartbeat does nothing: a poll ends before its client could take it for dead.
func (p *poll) Heartbeat(event.Position) error { return nil }

// Reset adds that events are missing.
func (p *poll) Reset(r pubsub.Reset) error {
	p.observer.Reset(r)
	p.add(jsonevent.AppendReset(nil, r, 0))
	return nil
}

// Live is called when the stream has caught up.
func (p *poll) Live() { p.once.live.Do(func() { close(p.live) }) }

// EndsAt sets where the client's next request continues.
func (p *poll) EndsAt(at event.Position) { p.next = at }

// Close adds why the stream ended, if the client did not ask for it.
func (p *poll) Close(reason pubsub.EndReason) {
	p.reason = reason
	if reason != pubsub.EndAnswered && reason != pubsub.EndGone {
		p.add(bytes.TrimSuffix(p.lines.Goaway(reason), []byte("\n")))
	}
	close(p.ended)
}

// add adds what makes the poll answer.
func (p *poll) add(frame []byte) {
	p.append(frame)
	p.once.some.Do(func() { close(p.some) })
}

func (p *poll) append(frame []byte) {
	if p.size > 0 {
		p.events = append(p.events, ',')
	}
	p.events = append(p.events, frame...)
	p.size++
}

// answer returns the content of the response.
func (p *poll) answer() []byte {
	content := make([]byte, 0, len(p.events)+event.MaxPosition+32)
	content = append(append(append(content, `{"events":[`...), p.events...), `],"next":"`...)
	return append(p.next.Append(content), "\"}\n"...)
}
