package doctor

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

const (
	samples    = 3                // requests; the one with the shortest round trip is the most exact
	offClock   = 5 * time.Second  // a difference from here on is reported
	wrongClock = 30 * time.Second // Carillon's auth.jwt.leeway by default: more makes tokens invalid
	dateUnit   = time.Second      // the resolution of Date
)

// checkClock reports how far the clocks of server and client differ, by the Date of responses and their round trips.
func checkClock(ctx context.Context, t *Target) []Finding {
	var offset time.Duration
	best, found := time.Duration(0), false
	for range samples {
		r, err := t.get(ctx, http.MethodGet, t.unknownURL(), nil)
		if err != nil {
			continue
		}
		date, err := http.ParseTime(r.header.Get("Date"))
		if err != nil {
			continue
		}
		if trip := r.received.Sub(r.sent); !found || trip < best {
			best, found = trip, true
			offset = difference(date, r.sent, r.received)
		}
	}
	if !found {
		return notChecked("clock", "no response has a Date")
	}
	f := Finding{
		Code: "clocks_agree", Summary: fmt.Sprintf("the clocks agree to the second; a round trip takes %s", short(best)),
		Values: map[string]any{"offset_ms": milliseconds(offset), "round_trip_ms": milliseconds(best)},
	}
	if offset.Abs() >= offClock {
		f.Code, f.Level = "clocks_differ", Info
		f.Summary = fmt.Sprintf("the server's clock is %s ahead of this machine's", short(offset))
		if offset < 0 {
			f.Summary = fmt.Sprintf("the server's clock is %s behind this machine's", short(-offset))
		}
		f.Meaning = "The Date may be the proxy's. Tokens begin and expire by the server's clock."
		f.Change = "Synchronise both clocks (NTP)."
		if offset.Abs() > wrongClock {
			f.Level = Warn
		}
	}
	return []Finding{f}
}

// difference returns how far a server's clock is ahead at least, given that its Date, cut to the second, was read
// between two times of this machine.
func difference(date, sent, received time.Time) time.Duration {
	low, high := date.Sub(received), date.Add(dateUnit).Sub(sent)
	switch {
	case low > 0:
		return low
	case high < 0:
		return high
	}
	return 0
}
