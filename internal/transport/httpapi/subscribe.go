package httpapi

import (
	"errors"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/transport/delivery"
)

// subscribe answers GET /events with a stream.
func (a *API) subscribe(c *gin.Context) {
	rights, given, err := a.rights(c)
	if err != nil {
		a.refuse(c, err) // keys that cannot be had now may be had soon
		return
	}
	sub, err := a.subscription(c.Request, rights)
	if errors.Is(err, errForbidden) && !given {
		err = errNoToken
	}
	if err != nil {
		a.fail(c, err)
		return
	}
	peer := c.ClientIP()
	client, err := a.streams.admit(peer)
	if err != nil {
		a.refuse(c, err)
		return
	}
	sub.Name = newID()
	stream, err := a.deps.Publisher.Open(c.Request.Context(), sub)
	if err != nil {
		a.streams.release(client)
		a.refuse(c, err)
		return
	}
	c.Set(keyStream, true)
	v := &visit{api: a, conn: sub.Name, peer: peer, client: client, start: time.Now()}
	a.log.Info("stream opened", zap.String("conn", v.conn), zap.String("peer", v.peer), zap.String("request_id", requestID(c)),
		zap.String("proto", c.Request.Proto), zap.Int("topics", len(sub.Patterns)), resetOf(stream))
	a.deps.Streams.Serve(c.Writer, c.Request, stream, v)
}

// resetOf says in the log that a stream cannot go on where its client left off.
func resetOf(stream *pubsub.Stream) zap.Field {
	if reset := stream.Opening().Reset; reset != nil {
		return zap.String("reset", string(reset.Reason))
	}
	return zap.Skip()
}

// visit is what is remembered of a request while its stream lasts. It is kept small, because there are as many as
// streams; a logger that knows the fields would be a kilobyte.
type visit struct {
	api        *API
	conn, peer string
	client     netip.Prefix
	start      time.Time
}

// Reset says that the stream missed events: it was too slow, or what it should have had next was no longer kept.
func (v *visit) Reset(r pubsub.Reset) {
	v.api.journal.say("stream reset", zap.String("conn", v.conn), zap.String("peer", v.peer), zap.String("reason", string(r.Reason)),
		zap.String("from", r.Requested), zap.Stringer("to", r.At))
}

// Ended says what the stream did.
func (v *visit) Ended(did delivery.Summary) {
	v.api.streams.release(v.client)
	fields := []zap.Field{
		zap.String("conn", v.conn), zap.String("peer", v.peer), zap.String("reason", string(did.Reason)),
		zap.Duration("duration", time.Since(v.start)), zap.Int64("events", did.Events), zap.Int64("bytes", did.Bytes),
	}
	if did.Problem != nil {
		fields = append(fields, zap.Error(did.Problem))
	}
	v.api.journal.say("stream closed", fields...)
}

// refuse turns away a client that may come back later. A browser would take any status but 200 for the end of it all,
// so a client that asks for an event stream is given one that says why and ends.
func (a *API) refuse(c *gin.Context, err error) {
	p := problemOf(err)
	passes := p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests
	if !passes || !acceptsStream(c.Request) || !a.deps.Streams.CanRefuse() {
		a.fail(c, err)
		return
	}
	a.refused(c, p, err)
	a.log.Info("stream refused", zap.String("request_id", requestID(c)), zap.String("peer", c.ClientIP()), zap.String("code", p.Code))
	reason := p.Code
	switch p.Code {
	case "draining":
		reason = string(pubsub.EndDrain)
	case "stream_limit":
		reason = "limit"
	}
	c.Set(keyStream, true)
	a.deps.Streams.Refuse(c.Writer, c.Request, reason)
}

func acceptsStream(r *http.Request) bool {
	for accepted := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if kind, _, err := mime.ParseMediaType(accepted); err == nil && kind == "text/event-stream" {
			return true
		}
	}
	return false
}

// subscription reads what a request asks for, within what its sender may see.
func (a *API) subscription(r *http.Request, rights access.Rights) (pubsub.Subscription, error) {
	sub := pubsub.Subscription{Grant: rights.Subscribe}
	if !rights.Expires.IsZero() {
		// With a monotonic reading, so that a wall clock that jumps later changes nothing.
		sub.Expires = time.Now().Add(time.Until(rights.Expires))
	}
	query, err := queryOf(r)
	if err != nil {
		return sub, err
	}
	topics := query["topic"]
	if limit := a.limits().TopicsPerStream; len(topics) > limit {
		return sub, &event.InvalidError{Field: "topic", Problem: "is given " + strconv.Itoa(len(topics)) + " times, at most " + strconv.Itoa(limit) + " are allowed"}
	}
	seen := make(map[event.Pattern]bool, len(topics))
	for _, text := range topics {
		pattern, err := event.ParsePattern(text)
		if err != nil {
			return sub, err
		}
		if !seen[pattern] {
			seen[pattern] = true
			sub.Patterns = append(sub.Patterns, pattern)
		}
	}
	if len(topics) == 0 {
		sub.Patterns = []event.Pattern{a.deps.Default}
	}
	for _, pattern := range sub.Patterns {
		if !sub.Grant.Overlaps(pattern) {
			return sub, errForbidden
		}
	}
	sub.Start, err = startOf(r, query)
	return sub, err
}

// startOf reads where to start: what a browser saw last, before anything written into the URL once and for all.
func startOf(r *http.Request, query url.Values) (pubsub.Start, error) {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return pubsub.After(id), nil
	}
	if id, err := single(query, "last_event_id"); err != nil || id != "" {
		return pubsub.After(id), err
	}
	if text, err := single(query, "last"); err != nil || text != "" {
		n, convErr := strconv.Atoi(text)
		if err == nil && (convErr != nil || n < 0) {
			err = &event.InvalidError{Field: "last", Problem: "is not a number of events"}
		}
		return pubsub.Last(n), err
	}
	text, err := single(query, "since")
	if err != nil || text == "" {
		return pubsub.Start{}, err
	}
	if age, err := time.ParseDuration(text); err == nil && age >= 0 {
		return pubsub.Since(age), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return pubsub.Since(max(0, time.Since(at))), nil
	}
	return pubsub.Start{}, &event.InvalidError{Field: "since", Problem: "is neither a duration such as 5m nor an RFC 3339 time"}
}

// queryOf parses a request's query, of which net/url would silently leave out what is malformed.
func queryOf(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &event.InvalidError{Field: "query", Problem: "is malformed"}
	}
	return query, nil
}

// single reads a parameter that may be given once.
func single(query url.Values, name string) (string, error) {
	if len(query[name]) > 1 {
		return "", &event.InvalidError{Field: name, Problem: "is given more than once"}
	}
	return query.Get(name), nil
}
