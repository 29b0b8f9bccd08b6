package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// carillonCacheControl is the Cache-Control of Carillon's streams.
const carillonCacheControl = "no-cache, no-store, no-transform"

// checkCaching reports whether a stream came from a cache, or could be stored in one.
func checkCaching(_ context.Context, t *Target) []Finding {
	if t.live == nil {
		return notChecked("caching", noStream)
	}
	h := t.live.response.Header
	control := strings.Join(h.Values("Cache-Control"), ", ")
	values := map[string]any{"cache_control": control}
	if by := cachedBy(h); by != "" {
		return []Finding{{
			Code: "cached", Level: Fail, Summary: "the stream came from a cache (" + by + ")",
			Meaning: "Clients get what somebody else got before, and no new event.",
			Change:  "Bypass the cache for the stream.", Config: uncached(), Values: values,
		}}
	}
	lower := strings.ToLower(control)
	switch {
	case t.isCarillon() && control != carillonCacheControl:
		return []Finding{{
			Code: "cache_control_changed", Level: Warn,
			Summary: fmt.Sprintf("Cache-Control is %q; Carillon sends %q", control, carillonCacheControl),
			Meaning: "A proxy rewrites the header. Caches and compressors behind it are no longer told to leave the stream alone.",
			Change:  "Do not set Cache-Control on the way.", Config: uncached(), Values: values,
		}}
	case !strings.Contains(lower, "no-store") && !strings.Contains(lower, "no-cache"):
		return []Finding{{
			Code: "cacheable", Level: Warn, Summary: "Cache-Control does not forbid storing the stream",
			Meaning: "A cache on the way may keep what one client got and give it to others.",
			Change:  "Let the server send Cache-Control: no-cache, no-store, no-transform.", Config: uncached(), Values: values,
		}}
	}
	return []Finding{{Code: "not_cached", Summary: "the stream does not come from a cache, and none may store it", Values: values}}
}

// cachedBy returns the header that shows that the response is from a cache, or "".
func cachedBy(h http.Header) string {
	if age := h.Get("Age"); age != "" && age != "0" {
		return "Age: " + age
	}
	for _, name := range []string{"X-Cache", "Cf-Cache-Status", "X-Cache-Status", "X-Proxy-Cache", "Cache-Status"} {
		value := h.Get(name)
		for word := range strings.FieldsFuncSeq(strings.ToLower(value), func(r rune) bool { return r < 'a' || r > 'z' }) {
			if word == "hit" {
				return name + ": " + value
			}
		}
	}
	return ""
}
