package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"carillon/internal/domain/event"
)

// Parameters of the two methods on /events.
var (
	subscribeParameters = []string{"topic", "last_event_id", "last", "since", "latest", "format", "wait", "presence"}
	presenceParameters  = []string{"topic", "presence"}
	publishParameters   = []string{"topic", "type", "retry"}
)

// parseQuery returns a request's query. Unlike [url.URL.Query] it reports malformed parts instead of omitting them. It
// also refuses a parameter that differs from a known one by a slip: ?topics=a would silently subscribe to the clock. Other
// unknown parameters are ignored.
func parseQuery(r *http.Request, known []string) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &event.InvalidError{Field: "query", Problem: "is malformed"}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if slices.Contains(known, name) {
			continue
		}
		for _, meant := range known {
			if oneEdit(strings.ToLower(name), meant) {
				return nil, &event.InvalidError{Field: "query", Problem: fmt.Sprintf("has an unknown parameter %q; did you mean %s?", name, meant)}
			}
		}
	}
	return query, nil
}

// oneEdit reports whether at most one byte must be added, removed or replaced, or two neighbours exchanged, to turn a into b.
func oneEdit(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	same := 0
	for same < len(a) && a[same] == b[same] {
		same++
	}
	switch len(b) - len(a) {
	case 0:
		return same == len(a) || a[same+1:] == b[same+1:] ||
			same+1 < len(a) && a[same] == b[same+1] && a[same+1] == b[same] && a[same+2:] == b[same+2:]
	case 1:
		return a[same:] == b[same+1:]
	}
	return false
}

// single returns a parameter that may be given once.
func single(query url.Values, name string) (string, error) {
	if len(query[name]) > 1 {
		return "", &event.InvalidError{Field: name, Problem: "is given more than once"}
	}
	return query.Get(name), nil
}

// flag returns a parameter that is on when it is given, with or without a value: ?latest.
func flag(query url.Values, name string) (bool, error) {
	text, err := single(query, name)
	if err != nil || !query.Has(name) || text == "" {
		return query.Has(name), err
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, &event.InvalidError{Field: name, Problem: `is neither "true" nor "false"`}
	}
	return on, nil
}
