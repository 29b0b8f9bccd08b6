package ws

import (
	"encoding/json"

	"carillon/internal/app/publish"
)

// publishing are the events that wait to be published.
type publishing struct {
	events  []pendingEvent
	size    int // of their frames, in bytes
	running bool
}

// pendingEvent is an event that waits to be published.
type pendingEvent struct {
	request publish.Request
	err     error // why it is not even tried
	ref     json.RawMessage
	by      *credential // at the time it was sent
	size    int
}

// queuePublish publishes an event after those before it.
func (s *socket) queuePublish(f *publishFrame, size int) {
	p := pendingEvent{ref: f.Ref, by: s.credential, size: size}
	p.request, p.err = f.Request()
	if p.err == nil && s.credential.token == "" {
		p.err = ErrNoToken
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outbox.unanswered++
	s.publishing.events = append(s.publishing.events, p)
	s.publishing.size += size
	if !s.publishing.running && !s.finished {
		s.publishing.running = true
		s.background.Go(s.publish)
	}
}

// publish publishes until nothing waits: all that arrived while the last events were being published goes together.
func (s *socket) publish() {
	for {
		events, size := s.takeEvents()
		if len(events) == 0 {
			return
		}
		answers := make([]outgoing, 0, len(events))
		acknowledged := int64(0)
		for len(events) > 0 {
			n := sameCredential(events)
			results := s.publishTogether(events[:n])
			for i, result := range results {
				frame := publishedFrame(events[i].ref, result.Appended)
				if result.Err != nil {
					frame = s.refuseEvent(events[i].ref, result.Err)
				} else {
					acknowledged++
				}
				answers = append(answers, outgoing{frame: frame, answer: true})
			}
			events = events[n:]
		}
		s.mu.Lock()
		s.publishing.size -= size
		s.published += acknowledged
		for _, answer := range answers {
			s.add(answer)
		}
		s.signal()
		s.mu.Unlock()
	}
}

// takeEvents removes and returns the events that wait, and their size.
func (s *socket) takeEvents() ([]pendingEvent, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.publishing.events
	s.publishing.events = nil
	if len(events) == 0 {
		s.publishing.running = false
	}
	size := 0
	for _, e := range events {
		size += e.size
	}
	return events, size
}

// sameCredential returns how many of the first events were sent with the same credential.
func sameCredential(events []pendingEvent) int {
	n := 1
	for n < len(events) && events[n].by == events[0].by {
		n++
	}
	return n
}

// publishTogether publishes events that were sent with the same credential.
func (s *socket) publishTogether(events []pendingEvent) []publish.Result {
	results := make([]publish.Result, len(events))
	requests := make([]publish.Request, 0, len(events))
	for i, e := range events {
		if results[i].Err = e.err; e.err == nil {
			requests = append(requests, e.request)
		}
	}
	if len(requests) == 0 {
		return results
	}
	published := s.publishBy(events[0].by, requests)
	for i := range results {
		if results[i].Err == nil {
			results[i], published = published[0], published[1:]
		}
	}
	return results
}
