package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// longSilence is where the limits of common proxies begin: most are 60 s, and network jitter needs room.
const longSilence = 50 * time.Second

// checkIdle watches a stream that is quiet but for heartbeats, and reports whether something cut it, after how long a
// silence, and the longest silence that was not cut.
func checkIdle(ctx context.Context, t *Target) []Finding {
	switch {
	case t.cfg.IdleTimeout == 0:
		return notChecked("idle", "--idle-timeout is 0")
	case t.live == nil:
		return notChecked("idle", noStream)
	}
	s, refused, err := t.open(ctx, t.quietURL(), http.Header{"Accept-Encoding": {"identity"}})
	if err == nil && refused != nil && t.isCarillon() {
		// The token may not subscribe to any topic. The stream itself may be less quiet, but is better than nothing.
		s, refused, err = t.open(ctx, t.url, http.Header{"Accept-Encoding": {"identity"}})
	}
	switch {
	case err != nil:
		return []Finding{failed("idle_failed", Fail, "a second stream", err)}
	case refused != nil:
		return []Finding{{
			Code: "idle_refused", Level: Warn, Summary: fmt.Sprintf("a second stream is refused with %d", refused.status),
			Meaning: "A limit on streams or requests for this address was met.", Change: "Raise it where several clients share an address.",
		}}
	}
	o := s.collect(ctx, t.cfg.IdleTimeout, nil, func(elapsed time.Duration) {
		if t.cfg.Progress != nil {
			t.cfg.Progress("idle", elapsed, t.cfg.IdleTimeout)
		}
	})
	s.close(o)
	if ctx.Err() != nil {
		return nil
	}
	return []Finding{idleFinding(t, o)}
}

func idleFinding(t *Target, o *observation) Finding {
	values := map[string]any{"cut": o.end != nil, "longest_silence_ms": milliseconds(o.longest), "watched_ms": milliseconds(t.cfg.IdleTimeout), "heartbeats": o.comments, "events": o.events}
	if o.end == nil {
		return uncut(t, o, values)
	}
	lasted, silence := o.ended.Sub(o.start), o.since(o.ended)
	values["watched_ms"], values["silence_before_cut_ms"] = milliseconds(lasted), milliseconds(silence)
	switch {
	case o.goaway != "":
		return Finding{
			Code: "ended_by_server", Level: Info, Summary: fmt.Sprintf("the server ended the stream after %s: %s", short(lasted), o.goaway),
			Meaning: "It said so with carillon.goaway, so clients come back and resume.", Values: values,
		}
	case errors.Is(o.end, io.EOF) && !t.isCarillon():
		return Finding{
			Code: "ended", Level: Warn, Summary: fmt.Sprintf("the stream ended after %s, the last %s in silence", short(lasted), short(silence)),
			Meaning: "It ended in order, so the server may have done it. If not, an idle time-out did.",
			Change:  "Let the server send a comment (heartbeat) more often, or raise the limit.", Config: longTimeouts(), Values: values,
		}
	case silence < o.longest:
		// Longer silences were let pass, so the limit is on something else.
		return Finding{
			Code: "response_limit", Level: Warn, Summary: fmt.Sprintf("the stream was cut after %s, though bytes came %s before", short(lasted), short(silence)),
			Meaning: "Something limits how long a whole response may take. Each client reconnects that often.",
			Change:  "Raise the limit on responses (Google Cloud load balancers: the backend's timeout).", Config: longTimeouts(), Values: values,
		}
	}
	return Finding{
		Code: "idle_cut", Level: Fail, Summary: fmt.Sprintf("the stream was cut after %s of silence", short(silence)),
		Meaning: "An idle time-out on the way is shorter than the time between heartbeats. Each client of a quiet topic reconnects that often.",
		Change:  "Send heartbeats in less than half of that time, or raise the limit.", Config: longTimeouts(), Values: values,
	}
}

// uncut is the finding where nothing cut the stream.
func uncut(t *Target, o *observation, values map[string]any) Finding {
	f := Finding{
		Code: "not_cut", Values: values,
		Summary: fmt.Sprintf("nothing cut a quiet stream within %s; the longest silence was %s", short(t.cfg.IdleTimeout), short(o.longest)),
	}
	switch {
	case o.longest >= longSilence:
		f.Code, f.Level = "silent_long", Warn
		f.Meaning = "Many proxies, of clients too, cut after 60 s of silence."
		f.Change = "Let the server send a comment (heartbeat) more often."
		f.Config = []Setting{{carillon, []string{"stream.heartbeat: 15s"}}}
	case o.longest >= t.cfg.IdleTimeout*9/10:
		f.Level = Info
		f.Code, f.Meaning = "no_heartbeat", "No heartbeat came in this time. Whether one comes before a limit of the way shows with a longer --idle-timeout."
	}
	return f
}
