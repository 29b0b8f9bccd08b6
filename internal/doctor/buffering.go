package doctor

import (
	"context"
	"fmt"
	"time"
)

const (
	silentFor     = 500 * time.Millisecond // silence before a burst that a buffer could have caused
	delayedEvents = 2                      // events in such a burst at least
	enoughDelayed = 2                      // one alone can be a stall of the network or of this machine
	buffered      = "Something on the way collects bytes and passes them on in blocks. Clients get events late; the fewer there are, the later."
	flushAdvice   = "Turn buffering of responses off for the stream."
)

// checkBuffering reports whether what a server sends arrives at once, by the times at which bytes of a live stream
// arrive. Three things show a buffer: a head whose first bytes come much later although the server sends them together;
// frames that stop in the middle and go on later, because buffers know sizes and servers write whole frames; and events
// that a clock sends evenly and that arrive together after a silence.
func checkBuffering(_ context.Context, t *Target) []Finding {
	o := t.live
	if o == nil {
		return notChecked("buffering", noStream)
	}
	delayed, most, share := delayedBursts(o)
	f := Finding{Level: Fail, Meaning: buffered, Change: flushAdvice, Config: unbuffered(), Values: map[string]any{
		"bytes": o.bytes, "events": o.events, "bursts": len(o.bursts), "delayed_bursts": delayed, "split_frames": o.splits,
		"longest_silence_ms": milliseconds(o.longest),
	}}
	switch {
	case o.bytes == 0 && o.end == nil && o.response.Header.Get("Content-Encoding") != "":
		f.Code, f.Summary = "body_held_back", fmt.Sprintf("the head came, but nothing of the compressed body within %s", short(t.cfg.Watch))
		f.Meaning = "Something on the way compresses the stream and does not flush it with each event."
		f.Config = uncompressed()
	case o.bytes == 0:
		f.Code, f.Level, f.Config = "nothing_arrived", Info, nil
		f.Summary = fmt.Sprintf("nothing arrived within %s, so buffering does not show", short(t.cfg.Watch))
		f.Meaning, f.Change = "The server sent nothing, or something holds it back.", "Examine a stream with events; --watch makes the check longer."
	case t.isCarillon() && o.first.Sub(o.head) > lateHead:
		f.Code, f.Summary = "body_late", fmt.Sprintf("the head came, and the first bytes %s later; Carillon sends them together", short(o.first.Sub(o.head)))
	case o.splits > 0:
		f.Code, f.Summary = "split_frames", fmt.Sprintf("%d events arrived in two parts with a pause between them", o.splits)
	case delayed >= enoughDelayed && share > 0.5:
		f.Code, f.Summary = "bursts", fmt.Sprintf("events arrived in bursts of up to %d, with silence between them", most)
		if !t.onlyClock() {
			f.Level = Warn
			f.Meaning = "If the server sends its events one by one, something on the way collects them. If it sends them in bursts, this is as it should be."
		}
	case o.events == 0:
		f.Code, f.Level, f.Meaning, f.Change, f.Config = "opening_at_once", OK, "", "", nil
		f.Summary = fmt.Sprintf("the first bytes arrived at once; no event came within %s", short(t.cfg.Watch))
	default:
		f.Code, f.Level, f.Meaning, f.Change, f.Config = "unbuffered", OK, "", "", nil
		f.Summary = fmt.Sprintf("%d events arrived, none of them held back", o.events)
	}
	return []Finding{f}
}

// delayedBursts counts the bursts that a buffer could have made, and returns the most events in one and the share of
// all events that came in them. What a stream begins with may be a replay, so its first burst does not count.
func delayedBursts(o *observation) (delayed, most int, share float64) {
	all, events := 0, 0
	for _, b := range o.bursts[min(1, len(o.bursts)):] {
		all += b.events
		if b.after >= silentFor && b.events >= delayedEvents {
			delayed++
			events += b.events
			most = max(most, b.events)
		}
	}
	return delayed, most, float64(events) / float64(max(all, 1))
}
