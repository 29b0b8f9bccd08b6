package ws

import (
	"bytes"
	"errors"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/subscribe"
	"carillon/internal/domain/event"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/jsonevent"
)

// subscription is the sink of a stream on a connection.
type subscription struct {
	socket   *socket
	name     string
	prefix   []byte
	request  subscribe.Request
	stream   *pubsub.Stream
	observer delivery.Observer
	share    bool // of the connection's own place within the limits

	// What follows is guarded by the socket's lock.

	waiting       bool // for room
	ending        string
	events, bytes int64
}

// Reasons of a goaway that only this transport has.
const (
	unsubscribed = "unsubscribed" // the client took the subscription back
	revoked      = "revoked"      // the client's new token does not allow it
)

// errEncoding ends a stream that an event cannot be written to.
var errEncoding = errors.New("event cannot be encoded")

// subscribe does what a subscribe frame asks for.
func (s *socket) subscribe(f *subscribeFrame) error {
	req, err := f.request()
	if err != nil {
		return err
	}
	s.mu.Lock()
	_, used := s.subs[f.Name]
	full := len(s.subs) >= maxSubscriptions
	s.mu.Unlock()
	switch {
	case used:
		return &event.InvalidError{Field: "name", Problem: "is that of another subscription of this connection"}
	case full:
		return ErrTooManySubscriptions
	}
	return s.open(f.Name, req)
}

// attach starts a subscription whose stream was opened.
func (s *socket) attach(name string, req subscribe.Request, opened Opened, share bool) {
	sub := &subscription{
		socket: s, name: name, prefix: prefixOf(name), request: req, stream: opened.Stream, observer: opened.Observer, share: share,
	}
	s.mu.Lock()
	s.subs[name] = sub
	sub.add(bytes.TrimSuffix(s.server.lines.Opening(opened.Stream), []byte("\n")))
	s.mu.Unlock()
	s.server.streams.Add(1)
	opened.Stream.Attach(sub)
}

// takePlace reports whether a new subscription shares the place that the connection has within the limits: one
// subscription at a time does.
func (s *socket) takePlace() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	free := !s.placeTaken
	s.placeTaken = true
	return free
}

func (s *socket) returnPlace(shared bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if shared {
		s.placeTaken = false
	}
}

// unsubscribe ends a subscription.
func (s *socket) unsubscribe(name string) error {
	s.mu.Lock()
	sub := s.subs[name]
	s.mu.Unlock()
	if sub == nil {
		return errUnknown()
	}
	sub.end(unsubscribed)
	return nil
}

// subscriptions returns the subscriptions of the connection.
func (s *socket) subscriptions() []*subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	subs := make([]*subscription, 0, len(s.subs))
	for _, sub := range s.subs {
		subs = append(subs, sub)
	}
	return subs
}

// end ends the subscription for a reason of this transport's own.
func (sub *subscription) end(why string) {
	sub.socket.mu.Lock()
	sub.ending = why
	sub.socket.mu.Unlock()
	sub.stream.End(pubsub.EndAnswered)
}

// add adds a frame of the subscription's own, or an event. The lock is held.
func (sub *subscription) add(frame []byte) {
	sub.bytes += int64(len(sub.prefix) + len(frame))
	sub.socket.add(outgoing{prefix: sub.prefix, frame: frame})
}

// Send takes items while there is room.
func (sub *subscription) Send(items []*pubsub.Item) (int, error) {
	s := sub.socket
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, item := range items {
		if s.outbox.size >= s.server.cfg.BatchBytes {
			if !sub.waiting {
				sub.waiting = true
				s.outbox.full = append(s.outbox.full, sub)
			}
			return i, nil
		}
		frame, err := s.server.lines.Frame(sub.stream, item)
		if err != nil {
			return i, errEncoding
		}
		sub.add(frame[:len(frame)-1]) // without the line end
		sub.events++
	}
	return len(items), nil
}

// Flush does nothing: the writing goroutine needs no call to continue.
func (sub *subscription) Flush() error { return nil }

// Heartbeat adds a bookmark, if there is a position. Pings keep the connection.
func (sub *subscription) Heartbeat(at event.Position) error {
	if at.IsZero() {
		return nil
	}
	sub.socket.mu.Lock()
	defer sub.socket.mu.Unlock()
	sub.add(jsonevent.AppendBookmark(nil, at, 0))
	return nil
}

// Reset adds that events are missing.
func (sub *subscription) Reset(r pubsub.Reset) error {
	sub.socket.mu.Lock()
	defer sub.socket.mu.Unlock()
	sub.observer.Reset(r)
	sub.add(jsonevent.AppendReset(nil, r, 0))
	return nil
}

// Close adds why the subscription ends. Where the reason is one of the whole connection, the connection closes.
func (sub *subscription) Close(reason pubsub.EndReason) {
	s := sub.socket
	s.server.streams.Add(-1)
	s.mu.Lock()
	if s.subs[sub.name] == sub {
		delete(s.subs, sub.name)
	}
	s.placeTaken = s.placeTaken && !sub.share
	switch {
	case sub.ending != "":
		sub.add(jsonevent.AppendGoaway(nil, sub.ending, 0))
	case reason == pubsub.EndGone || reason == pubsub.EndFailed || reason == pubsub.EndDead:
	default:
		sub.add(bytes.TrimSuffix(s.server.lines.Goaway(reason), []byte("\n")))
	}
	summary := delivery.Summary{Events: sub.events, Bytes: sub.bytes, Reason: reason}
	s.mu.Unlock()
	sub.observer.Ended(summary)
	switch reason {
	case pubsub.EndGone, pubsub.EndDead, pubsub.EndSlow, pubsub.EndClosed, pubsub.EndAnswered: // of this subscription alone, or of a connection that is gone
	case pubsub.EndDrain, pubsub.EndExpired, pubsub.EndRights, pubsub.EndFailed:
		s.shut(closingFor(reason, s.server.cfg.Retry))
	}
}
