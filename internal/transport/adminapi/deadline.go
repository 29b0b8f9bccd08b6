package adminapi

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// maxResponseTime is how long a client may take to receive a response.
	maxResponseTime = 30 * time.Second
	// maxProfileTime bounds what a request may ask for.
	maxProfileTime = time.Hour
)

// responseTime returns the time in which a client must have taken the response: an HTTP/2 client that closes its
// flow-control window would hold the handler's goroutine without limit. A profile or trace that is recorded for some
// seconds, as the request says, gets these in addition; 30 seconds is pprof's default.
func responseTime(r *http.Request) time.Duration {
	if !strings.HasPrefix(r.URL.Path, "/debug/pprof/") {
		return maxResponseTime
	}
	seconds, err := strconv.ParseFloat(r.URL.Query().Get("seconds"), 64)
	if err != nil || seconds < 0 || math.IsNaN(seconds) {
		seconds = 30
	}
	return maxResponseTime + time.Duration(min(seconds, maxProfileTime.Seconds())*float64(time.Second))
}
