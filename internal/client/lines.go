package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"carillon/internal/transport/jsonevent"
	"carillon/internal/transport/ndjson"
	"carillon/internal/transport/sse"
)

// lineSource reads lines of JSON.
type lineSource struct {
	jsonMark

	body  io.Closer
	lines *bufio.Scanner
}

func (f *follower) openLines(ctx context.Context, w *watch) (source, error) {
	resp, err := f.get(ctx, f.query(), ndjson.MediaType, f.request.LastEventID) //nolint:bodyclose // the source closes it
	if err != nil {
		return nil, err
	}
	cfg := f.client.cfg
	lines := bufio.NewScanner(&watched{resp.Body, w, cfg.Silence})
	lines.Buffer(nil, maxLine(cfg.MaxEvent))
	lines.Split(wholeLines)
	return &lineSource{jsonMark: jsonMark{mark{position: f.request.LastEventID, retry: -1}}, body: resp.Body, lines: lines}, nil
}

// wholeLines splits at line feeds. What the end of the stream cuts off is dropped.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}

func (s *lineSource) next(context.Context) (Event, error) {
	for s.lines.Scan() {
		if len(s.lines.Bytes()) == 0 {
			continue
		}
		decoded, err := jsonevent.Decode(s.lines.Bytes())
		if err != nil {
			return Event{}, &finalError{fmt.Errorf("%w: %w", errInvalidEvent, err)}
		}
		if e, visible := s.take(decoded); visible {
			return e, nil
		}
	}
	switch err := s.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return Event{}, sse.ErrTooLarge
	case err != nil:
		return Event{}, err
	}
	return Event{}, io.EOF
}

func (s *lineSource) mark() mark { return s.left }
func (s *lineSource) close()     { s.body.Close() }
