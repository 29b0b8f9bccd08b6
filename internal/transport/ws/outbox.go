package ws

import (
	"context"

	"github.com/coder/websocket"
)

// outgoing is a frame that waits to be written.
type outgoing struct {
	prefix []byte // in place of the frame's first byte; nil: nothing
	frame  []byte // shared with other connections if it is an event
	answer bool   // to a frame of the client
}

// outbox is what waits to be written to a connection.
type outbox struct {
	frames, spare []outgoing
	size          int             // of the frames, in bytes
	full          []*subscription // those that wait for room
	unanswered    int             // frames of the client whose answers are not written yet
	writing       bool            // a goroutine writes
}

// add adds a frame. The lock is held.
func (s *socket) add(out outgoing) {
	s.outbox.frames = append(s.outbox.frames, out)
	s.outbox.size += len(out.prefix) + len(out.frame)
	s.startWriting()
}

// startWriting makes sure that a goroutine writes what is there. The lock is held.
func (s *socket) startWriting() {
	if s.outbox.writing || s.finished {
		return
	}
	s.outbox.writing = true
	s.background.Go(s.write)
}

// answer adds an answer.
func (s *socket) answer(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outbox.unanswered++
	s.add(outgoing{frame: frame, answer: true})
}

// write writes until there is nothing more, and closes the connection if that is what comes last.
func (s *socket) write() {
	var scratch []byte
	for {
		frames, end := s.take()
		if len(frames) == 0 && end == nil {
			return
		}
		s.wire.cork()
		var err error
		for _, out := range frames {
			content := out.frame
			if out.prefix != nil {
				scratch = append(append(scratch[:0], out.prefix...), out.frame[1:]...)
				content = scratch
			}
			if err = s.conn.Write(context.Background(), websocket.MessageText, content); err != nil {
				break
			}
		}
		if flushErr := s.wire.uncork(); err == nil {
			err = flushErr
		}
		if err != nil {
			s.cut()
			return
		}
		if end != nil {
			// The goroutine in run reads the client's part of the closing handshake.
			_ = s.conn.Close(end.code, end.reason)
			s.cut()
			return
		}
	}
}

// take removes and returns the frames, and how the connection is closed after them.
func (s *socket) take() ([]outgoing, *closing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.outbox
	frames := o.frames
	if len(frames) == 0 {
		if s.closing == nil || s.closing.code == 0 {
			o.writing = false
			o.spare = nil // an idle connection needs none
			return nil, nil
		}
		return nil, s.closing // writing stays true: nothing is written after that
	}
	for i := range frames {
		if frames[i].answer {
			o.unanswered--
		}
	}
	clear(o.spare)
	o.frames, o.spare, o.size = o.spare[:0], frames, 0
	for i, sub := range o.full {
		sub.waiting = false
		sub.stream.Ready()
		o.full[i] = nil
	}
	o.full = o.full[:0]
	s.signal()
	return frames, nil
}

// signal says that there is room for more answers.
func (s *socket) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// waitForRoom returns when the client may send more: a client that does not read its answers is not read either.
func (s *socket) waitForRoom() {
	for s.isFull() {
		select {
		case <-s.changed:
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *socket) isFull() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outbox.unanswered >= maxUnacknowledged || s.publishing.size >= maxUnpublished
}

// shut closes the connection once everything before is written. It reports whether it was open.
func (s *socket) shut(c closing) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing != nil || s.finished {
		return false
	}
	s.closing = &c
	s.startWriting()
	return true
}

// idle reports whether the connection has no subscription.
func (s *socket) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.subs) == 0
}
