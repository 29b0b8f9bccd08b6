package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"carillon/internal/transport/jsonevent"
	"carillon/internal/transport/sse"
)

// dialSocket opens a WebSocket connection. A message of the server may have at most limit bytes. The function alive is
// called for each ping of the server.
func (c *Client) dialSocket(ctx context.Context, req *http.Request, limit int, alive func()) (*websocket.Conn, error) {
	conn, resp, err := websocket.Dial(ctx, req.URL.String(), &websocket.DialOptions{
		HTTPClient: c.http, HTTPHeader: req.Header,
		OnPingReceived: func(context.Context, []byte) bool { alive(); return true },
	})
	if err == nil {
		conn.SetReadLimit(int64(limit))
		return conn, nil
	}
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil, &finalError{fmt.Errorf("%w: no upgrade to WebSocket", ErrNotStream)}
	}
	p := problemOf(resp)
	if p.passes() {
		return nil, p
	}
	return nil, &finalError{p}
}

// socketSource reads JSON events from a WebSocket connection.
type socketSource struct {
	jsonMark

	conn     *websocket.Conn
	follower *follower
	watch    *watch
}

func (f *follower) openSocket(ctx context.Context, w *watch) (source, error) {
	query := f.query()
	if len(f.request.Topics) == 0 {
		query.Set("topic", "clock")
	}
	if f.request.LastEventID != "" {
		query.Set("last_event_id", f.request.LastEventID)
	}
	req, err := f.client.request(ctx, http.MethodGet, query)
	if err != nil {
		return nil, &finalError{err}
	}
	cfg := f.client.cfg
	conn, err := f.client.dialSocket(ctx, req, maxLine(cfg.MaxEvent), func() { w.within(cfg.Silence) })
	if err != nil {
		return nil, err
	}
	return &socketSource{jsonMark: jsonMark{mark{position: f.request.LastEventID, retry: -1}}, conn: conn, follower: f, watch: w}, nil
}

func (s *socketSource) next(ctx context.Context) (Event, error) {
	for {
		s.watch.within(s.follower.client.cfg.Silence)
		_, text, err := s.conn.Read(ctx)
		s.watch.stop()
		var end websocket.CloseError
		switch {
		case errors.As(err, &end):
			if end.Code == websocket.StatusNormalClosure || end.Code == websocket.StatusServiceRestart || end.Code == websocket.StatusPolicyViolation {
				return Event{}, io.EOF
			}
			return Event{}, fmt.Errorf("the server closed the connection: %d %s", end.Code, end.Reason)
		case err != nil && strings.Contains(err.Error(), "read limited at"): // the library has no error for it
			return Event{}, sse.ErrTooLarge
		case err != nil:
			return Event{}, err
		}
		if p, ok := problemInFrame(text); ok {
			return Event{}, p
		}
		decoded, err := jsonevent.Decode(text)
		if err != nil {
			return Event{}, &finalError{fmt.Errorf("%w: %w", errInvalidEvent, err)}
		}
		if e, visible := s.take(decoded); visible {
			return e, nil
		}
	}
}

func (s *socketSource) mark() mark { return s.left }

func (s *socketSource) close() { _ = s.conn.CloseNow() }
