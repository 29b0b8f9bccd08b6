package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"carillon/internal/transport/control"
	"carillon/internal/transport/jsonevent"
	"carillon/internal/transport/longpoll"
	"carillon/internal/transport/sse"
)

// pollWait is how long a poll waits for an event.
const pollWait = 25 * time.Second

// pollSource polls, and continues each time where the answer before ended.
type pollSource struct {
	jsonMark

	follower *follower
	watch    *watch
	events   []jsonevent.Event // of the last answer
	after    string            // where the next poll continues
	ended    bool              // the last answer has a goaway
}

// answer is the response to a poll.
type answer struct {
	Events []jsonevent.Event `json:"events"`
	Next   string            `json:"next"`
}

// openPoll polls once without waiting: from then on the position is known.
func (f *follower) openPoll(ctx context.Context, w *watch) (source, error) {
	s := &pollSource{
		jsonMark: jsonMark{mark{position: f.request.LastEventID, retry: -1}},
		follower: f, watch: w, after: f.request.LastEventID,
	}
	return s, s.poll(ctx, 0)
}

func (s *pollSource) next(ctx context.Context) (Event, error) {
	for {
		if len(s.events) > 0 {
			e, visible := s.take(s.events[0])
			s.events = s.events[1:]
			if visible {
				return e, nil
			}
			continue
		}
		s.left.position = s.after
		if s.ended {
			return Event{}, io.EOF
		}
		if err := s.poll(ctx, pollWait); err != nil {
			return Event{}, err
		}
	}
}

// poll asks for what is after the position.
func (s *pollSource) poll(ctx context.Context, wait time.Duration) error {
	f := s.follower
	query := f.query()
	if s.after != "" {
		query.Del("last")
		query.Del("since")
		query.Del("latest")
	}
	query.Set("wait", wait.String())
	s.watch.within(wait + f.client.cfg.Timeout)
	defer s.watch.stop()
	resp, err := f.get(ctx, query, longpoll.MediaType, s.after)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	a, err := readAnswer(resp, maxLine(f.client.cfg.MaxEvent))
	if err != nil {
		return err
	}
	s.events, s.after = a.Events, a.Next
	for _, e := range a.Events {
		s.ended = s.ended || e.Type == control.TypeGoaway
	}
	return nil
}

// maxAnswer is how large an answer may be besides its largest event, in bytes; servers end an answer at 1 MiB.
const maxAnswer = 8 << 20

func readAnswer(resp *http.Response, largest int) (a answer, err error) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, int64(largest+maxAnswer)))
	switch {
	case err != nil:
		return a, err
	case len(text) == largest+maxAnswer:
		return a, sse.ErrTooLarge
	}
	if err := json.Unmarshal(text, &a); err != nil || a.Next == "" {
		return a, &finalError{fmt.Errorf("%w: %w", errInvalidEvent, errors.Join(err, errResponse))}
	}
	return a, nil
}

func (s *pollSource) mark() mark { return s.left }
func (s *pollSource) close()     {}
