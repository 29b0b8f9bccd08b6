package servertest

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Do sends a request on a connection of its own and returns the response, whose body is closed at the end of the test.
func Do(t testing.TB, request *http.Request) *http.Response {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// Get requests a URL, and an event stream if the URL is that of one.
func Get(t testing.TB, url string) *http.Response {
	t.Helper()
	request := newRequest(t, http.MethodGet, url, "", "")
	request.Header.Set("Accept", "text/event-stream")
	return Do(t, request)
}

// GetWithToken requests a URL with a bearer token.
func GetWithToken(t testing.TB, url, token string) *http.Response {
	t.Helper()
	return Do(t, newRequest(t, http.MethodGet, url, token, ""))
}

// Publish posts an event to a URL such as …/events?topic=news, with a bearer token unless it is "".
func Publish(t testing.TB, url, token, data string) *http.Response {
	t.Helper()
	return Do(t, newRequest(t, http.MethodPost, url, token, data))
}

func newRequest(t testing.TB, method, url, token, body string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return request
}

// NextData reads the lines of a stream up to one with data, and returns the data.
func NextData(t testing.TB, lines *bufio.Reader) string {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		if data, found := strings.CutPrefix(line, "data: "); found {
			return strings.TrimSuffix(data, "\n")
		}
	}
}

// OpenClock opens a stream of the clock on the server with this base URL and reads three ticks from it.
func OpenClock(t testing.TB, base string) *http.Response {
	t.Helper()
	response := Get(t, base+"/events")
	require.Equal(t, http.StatusOK, response.StatusCode)
	assert.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewReader(response.Body)
	var before time.Time
	for range 3 {
		now, err := time.Parse(time.DateTime, NextData(t, lines))
		require.NoError(t, err)
		assert.False(t, now.Before(before), "the time never goes back")
		before = now
	}
	return response
}
