package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"carillon/internal/transport/control"
	"carillon/internal/transport/jsonevent"
	"carillon/internal/transport/sse"
)

// Transport is how a stream reaches the client.
type Transport string

// The transports.
const (
	SSE    Transport = "sse" // Server-Sent Events; the default
	NDJSON Transport = "ndjson"
	Poll   Transport = "poll" // long polling
	Socket Transport = "ws"   // WebSocket
)

// Transports are all of them.
var Transports = []Transport{SSE, NDJSON, Poll, Socket}

// source is one connection over which events arrive.
type source interface {
	// next waits for the next event, until the context of the connection ends. Its error is [io.EOF] where the server has ended the stream as it should.
	next(ctx context.Context) (Event, error)
	// mark returns where to resume, and the reconnection time that the server sent last.
	mark() mark
	close()
}

// mark is what a connection leaves to the next one.
type mark struct {
	position string
	retry    int64 // in milliseconds; negative: the server sent none
}

// connect opens a connection, which the watch may end.
func (f *follower) connect(ctx context.Context, w *watch) (source, error) {
	switch f.request.Transport {
	case NDJSON:
		return f.openLines(ctx, w)
	case Poll:
		return f.openPoll(ctx, w)
	case Socket:
		return f.openSocket(ctx, w)
	default:
		return f.openSSE(ctx, w)
	}
}

// query returns the parameters of the subscription.
func (f *follower) query() url.Values {
	s := f.request
	query := url.Values{"topic": s.Topics}
	switch {
	case s.LastEventID != "":
	case s.Latest:
		query.Set("latest", "true")
	case s.Last > 0:
		query.Set("last", strconv.Itoa(s.Last))
	case s.Since != "":
		query.Set("since", s.Since)
	}
	return query
}

// get requests the subscription in a media type.
func (f *follower) get(ctx context.Context, query url.Values, media, position string) (*http.Response, error) {
	req, err := f.client.request(ctx, http.MethodGet, query)
	if err != nil {
		return nil, &finalError{err}
	}
	req.Header.Set("Accept", media)
	req.Header.Set("Accept-Encoding", "identity") // a decompressor may delay an event until more data arrives
	if position != "" {
		req.Header.Set("Last-Event-ID", position)
	}
	resp, err := f.client.http.Do(req)
	if err != nil {
		return nil, err
	}
	if err := refusalOf(resp, media); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// sseSource reads Server-Sent Events.
type sseSource struct {
	body    io.Closer
	decoder *sse.Decoder
	json    bool
}

func (f *follower) openSSE(ctx context.Context, w *watch) (source, error) {
	query := f.query()
	if f.request.JSON {
		query.Set("format", "json")
	}
	resp, err := f.get(ctx, query, sse.MediaType, f.request.LastEventID) //nolint:bodyclose // the source closes it
	if err != nil {
		return nil, err
	}
	cfg := f.client.cfg
	limit := cfg.MaxEvent
	if f.request.JSON {
		limit = maxLine(limit)
	}
	return &sseSource{body: resp.Body, decoder: sse.NewDecoder(&watched{resp.Body, w, cfg.Silence}, limit, f.request.LastEventID), json: f.request.JSON}, nil
}

func (s *sseSource) next(context.Context) (Event, error) {
	m, err := s.decoder.Next()
	if err != nil || !s.json {
		return fromMessage(m), err
	}
	e, err := jsonevent.Decode([]byte(m.Data))
	if err != nil {
		return Event{}, &finalError{fmt.Errorf("%w: %w; the server may be older than format=json", ErrNotStream, err)}
	}
	event := fromJSON(e)
	event.ID = m.ID
	return event, nil
}

func (s *sseSource) mark() mark {
	m := mark{position: s.decoder.LastEventID(), retry: -1}
	if retry, told := s.decoder.Retry(); told {
		m.retry = retry.Milliseconds()
	}
	return m
}

func (s *sseSource) close() { s.body.Close() }

// jsonMark follows JSON events.
type jsonMark struct{ left mark }

// take notes an event and reports whether it is one for the user: bookmarks are not.
func (j *jsonMark) take(e jsonevent.Event) (Event, bool) {
	if e.ID != "" {
		j.left.position = e.ID
	}
	if e.Retry > 0 {
		j.left.retry = e.Retry
	}
	event := fromJSON(e)
	event.ID = j.left.position
	return event, e.Type != control.TypeBookmark
}

// maxLine returns how long a line with an event may be whose data has at most limit bytes: JSON escapes a byte with up to
// six.
func maxLine(limit int) int { return 6*limit + 64<<10 }

// errInvalidEvent reports what should be a JSON event.
var errInvalidEvent = errors.New("the server sent something that is not an event")
