package doctor

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// lateHead is how long a head may take over an established connection. A round trip around the world takes less.
const lateHead = time.Second

// checkHead reports whether a stream arrives, and its head at once. Only with the head does a browser fire "open".
func checkHead(_ context.Context, t *Target) []Finding {
	switch {
	case t.late:
		return []Finding{{
			Code: "head_held_back", Level: Fail,
			Summary: fmt.Sprintf("no head of a response arrived within %s", short(t.cfg.Timeout)),
			Meaning: "Either a proxy buffers the response until it has enough of it, or the server does not flush its head before the first event.",
			Change:  "Turn buffering off for the stream, and let the server send X-Accel-Buffering: no and a comment at once.",
			Config:  unbuffered(),
		}}
	case t.refused != nil:
		return []Finding{refusal(t)}
	}
	if o := t.live; o.goaway != "" && o.events == 0 {
		return []Finding{{
			Code: "turned_away", Level: Fail, Summary: "the server turned the stream away: " + o.goaway,
			Meaning: "It did so by a stream that ends, so that browsers come back later.",
			Change:  "limit: raise limits.max_streams or limits.max_streams_per_ip; drain, unavailable: no node takes streams now.",
		}}
	}
	took := t.live.head.Sub(t.live.connected)
	f := Finding{Code: "head_at_once", Summary: "the head of the stream arrived after " + short(took), Values: map[string]any{"head_ms": milliseconds(took)}}
	if took > lateHead {
		f.Code, f.Level = "head_late", Fail
		f.Meaning = "Either a proxy holds the response back until it has enough of it, or the server does not flush its head before the first event."
		f.Change = "Turn buffering off for the stream, and let the server send X-Accel-Buffering: no and a comment at once."
		f.Config = unbuffered()
	}
	return []Finding{f}
}

// refusal is the finding where a response came that is no stream.
func refusal(t *Target) Finding {
	r := t.refused
	f := Finding{
		Code: "not_a_stream", Level: Fail,
		Summary: fmt.Sprintf("the response is %d with type %q, not an event stream", r.status, r.header.Get("Content-Type")),
		Meaning: "A browser's EventSource gives up for good on any status but 200 and any type but text/event-stream.",
		Change:  "Check the path of the URL; it must be that of a stream.",
		Values:  map[string]any{"status": r.status},
	}
	switch {
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		f.Code = "refused"
		f.Change = "Give a token that may subscribe with CARILLON_TOKEN or --token."
	case r.status/100 == 3:
		f.Code = "redirected"
		f.Change = "Redirects are not followed, because the token is for this server only. Give the URL it leads to: " + location(r)
	case r.status >= http.StatusInternalServerError:
		f.Code = "server_error"
		f.Change = "Look at the logs of the proxy and the server: the proxy has no server to pass the request to, or the server failed."
	}
	if code := r.problemCode(); code != "" {
		f.Values["problem"] = code
	}
	return f
}

// location returns where a redirect leads, without its query, which may hold secrets.
func location(r *reply) string {
	u, err := (&http.Response{Header: r.header}).Location()
	if err != nil {
		return "unknown"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
