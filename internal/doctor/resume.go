package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const (
	resumes     = 3                 // resumes that are tried: a balancer may send each to another node
	resumeWait  = 2 * time.Second   // for what a stream begins with, after its head
	malformedID = "carillon doctor" // no id of Carillon: it has a space
)

// checkResume reports whether events have ids, and whether the Last-Event-ID that a browser sends after a cut reaches
// the server. Carillon confirms it: its response to a malformed id has a carillon.reset.
func checkResume(ctx context.Context, t *Target) []Finding {
	switch {
	case t.live == nil:
		return notChecked("resume", noStream)
	case t.isCarillon():
		return checkResumeOfCarillon(ctx, t)
	case t.live.events == 0:
		return notChecked("resume", "no event came that could have an id")
	case t.live.ids == 0:
		return []Finding{{
			Code: "no_ids", Level: Warn, Summary: "events have no id",
			Meaning: "After a cut a browser cannot say what it saw last, so it misses what came meanwhile.",
			Change:  "Let the server send an id: line with each event, and read Last-Event-ID.",
		}}
	}
	again, failure := t.resume(ctx, t.url, t.live.lastID)
	if failure != nil {
		return []Finding{*failure}
	}
	f := Finding{Code: "ids", Level: Info, Summary: "events have ids, and a request with Last-Event-ID is given a stream"}
	f.Meaning = "Whether the server resumes where the id says cannot be seen from outside."
	if again.firstID == t.live.firstID {
		f.Code, f.Level = "resume_repeats", Warn
		f.Summary = "events have ids, but a stream resumed after the last begins with the first again"
		f.Meaning = "Last-Event-ID does not reach the server, or the server does not read it. Clients get events twice after a cut."
		f.Change, f.Config = "Pass the header on.", passing("Last-Event-ID", "$http_last_event_id")
	}
	return []Finding{f}
}

// resume opens a stream that continues after an id, and returns what it begins with.
func (t *Target) resume(ctx context.Context, u *url.URL, id string) (*observation, *Finding) {
	s, refused, err := t.open(ctx, u, http.Header{"Last-Event-ID": {id}})
	switch {
	case err != nil:
		f := failed("resume_failed", Fail, "a request with Last-Event-ID", err)
		return nil, &f
	case refused != nil:
		return nil, &Finding{
			Code: "resume_refused", Level: Fail, Summary: fmt.Sprintf("a request with Last-Event-ID is refused with %d", refused.status),
			Meaning: "A browser that was cut never gets its stream back.", Change: "Let the way to the server accept the header.",
		}
	}
	// Carillon sends its opening and a reset in one write, so a stream that brought the opening alone has no reset. For
	// the malformed id, where a missing reset is a finding, the whole time is waited.
	o := s.collect(ctx, resumeWait, func(o *observation) bool {
		return o.reset != "" || o.events > 0 || o.carillon && o.whole && o.drained && id != malformedID
	}, nil)
	s.close(o)
	return o, nil
}

func checkResumeOfCarillon(ctx context.Context, t *Target) []Finding {
	o, failure := t.resume(ctx, t.url, malformedID)
	switch {
	case failure != nil:
		return []Finding{*failure}
	case o.goaway != "":
		return notChecked("resume", "the server turned the stream away: "+o.goaway)
	case o.reset == "":
		return []Finding{{
			Code: "last_event_id_lost", Level: Fail, Summary: "Last-Event-ID does not reach the server",
			Meaning: "To the malformed id that was sent Carillon answers with a carillon.reset, and none came. After each cut clients miss events and are not told.",
			Change:  "Pass the header on.", Config: passing("Last-Event-ID", "$http_last_event_id"),
		}}
	case t.live.lastID == "":
		return []Finding{{
			Code: "last_event_id_arrives", Summary: "Last-Event-ID reaches the server", Level: Info,
			Meaning: "The stream told no id to resume from, because the log is empty.",
		}}
	}
	for range resumes {
		o, failure := t.resume(ctx, t.url, t.live.lastID)
		switch {
		case failure != nil:
			return []Finding{*failure}
		case o.reset == "epoch":
			return []Finding{{
				Code: "other_node", Level: Warn, Summary: "a resume from an id of a moment ago is met by a reset: epoch",
				Meaning: "The request went to a node with another log. Clients that change nodes get events twice, or miss some and are told.",
				Change:  "Send each client to the same node, or let the nodes share a log.", Config: sticky(),
				Values: map[string]any{"reset": o.reset},
			}}
		case o.reset != "":
			return []Finding{{
				Code: "reset", Level: Warn, Summary: "a resume from an id of a moment ago is met by a reset: " + o.reset,
				Meaning: "The log keeps too little for clients to resume, or the id was changed on the way.",
				Change:  "Raise history.events, history.bytes or history.age.", Values: map[string]any{"reset": o.reset},
			}}
		}
	}
	return []Finding{{Code: "resumes", Summary: "ids arrive, Last-Event-ID reaches the server, and streams resume without a reset"}}
}
