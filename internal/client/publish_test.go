package client_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/client"
	"carillon/internal/domain/event"
)

// request is a request that a server received.
type request struct {
	method, path, body string
	query              map[string][]string
	header             http.Header
}

// serveResponse starts a server that keeps every request and sends the same response to each.
func serveResponse(t *testing.T, status int, kind, body string, header ...string) (*client.Client, *[]request) {
	t.Helper()
	return serving(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// serving starts a server under the path /prefix; requests must come one after the other.
func serving(t *testing.T, handle http.HandlerFunc) (*client.Client, *[]request) {
	t.Helper()
	var got []request
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		got = append(got, request{r.Method, r.URL.Path, string(body), r.URL.Query(), r.Header})
		handle(w, r)
	}))
	t.Cleanup(web.Close)
	return newClient(t, config(web.URL+"/prefix/"), nil), &got
}

func TestPublishSendsTheEventAndReturnsItsID(t *testing.T) {
	c, got := serveResponse(t, http.StatusCreated, "application/json", `{"id":"a1-7"}`)
	id, err := c.Publish(t.Context(), client.PublishRequest{
		Topics: []string{"orders/42", "a b&c=d"}, Type: "größe", Data: "  a\r\nb\x00", Retry: 1500 * time.Millisecond, Key: "schlüssel 1",
	})
	require.NoError(t, err)
	assert.Equal(t, "a1-7", id)

	require.Len(t, *got, 1)
	r := (*got)[0]
	assert.Equal(t, "POST /prefix/events", r.method+" "+r.path)
	assert.Equal(t, map[string][]string{"topic": {"orders/42", "a b&c=d"}, "type": {"größe"}, "retry": {"1500"}}, r.query)
	assert.Equal(t, "  a\r\nb\x00", r.body)
	assert.Equal(t, "text/plain; charset=utf-8", r.header.Get("Content-Type"))
	assert.Equal(t, "Bearer "+token, r.header.Get("Authorization"))
	assert.Equal(t, "schlüssel 1", r.header.Get("Idempotency-Key"))
}

func TestURLWithAPath(t *testing.T) {
	for given, want := range map[string]string{
		"": "/events", "/": "/events", "/events": "/events", "/events/": "/events",
		"/prefix": "/prefix/events", "/prefix/": "/prefix/events", "/a%2Fb": "/a%2Fb/events",
		"/prefix/events": "/prefix/events", "/a%2Fb/events/": "/a%2Fb/events", "/my-events": "/my-events/events",
	} {
		var got string
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r.URL.EscapedPath()
			_, _ = io.WriteString(w, `{"id":"a1-7"}`)
		}))
		_, err := newClient(t, config(web.URL+given), nil).Publish(t.Context(), client.PublishRequest{Topics: []string{"a"}})
		require.NoError(t, err, given)
		assert.Equal(t, want, got, given)
		web.Close()
	}
}

func TestPublishLeavesOutWhatIsNotSet(t *testing.T) {
	c, got := serveResponse(t, http.StatusCreated, "application/json", `{"id":"a1-7"}`)
	_, err := c.Publish(t.Context(), client.PublishRequest{Topics: []string{"a"}})
	require.NoError(t, err)
	r := (*got)[0]
	assert.Equal(t, map[string][]string{"topic": {"a"}}, r.query)
	assert.Empty(t, r.body)
	assert.NotContains(t, r.header, "Idempotency-Key")
}

func TestPublishRefusesWhatWouldChangeOnItsWay(t *testing.T) {
	c, got := serveResponse(t, http.StatusCreated, "application/json", `{"id":"a1-7"}`)
	for field, e := range map[string]client.PublishRequest{
		"key":   {Topics: []string{"a"}, Key: "a\r\nX: y"},
		"retry": {Topics: []string{"a"}, Retry: time.Microsecond},
	} {
		_, err := c.Publish(t.Context(), e)
		var invalid *event.InvalidError
		require.ErrorAs(t, err, &invalid)
		assert.Equal(t, field, invalid.Field)
	}
	_, err := c.Publish(t.Context(), client.PublishRequest{Topics: []string{"a"}, Key: "a "})
	require.ErrorIs(t, err, event.ErrInvalid, "a server would trim the space and see another key")
	assert.Empty(t, *got)
}

func TestPublishReturnsTheProblem(t *testing.T) {
	const kind = "application/problem+json"
	for _, c := range []struct {
		name       string
		status     int
		kind, body string
		want       client.ProblemError
		text       string
		header     []string
	}{
		{
			"in full", 400, kind, `{"type":"about:blank","title":"The request is not valid","status":400,"code":"invalid_topic","detail":"topic is missing","field":"topic"}`,
			client.ProblemError{Status: 400, Code: "invalid_topic", Title: "The request is not valid", Detail: "topic is missing", Field: "topic"},
			"400 invalid_topic: topic is missing", nil,
		},
		{
			"a line of a batch", 400, kind + "; charset=utf-8", `{"code":"invalid_data","detail":"line 3: data is not valid UTF-8","field":"data","line":3}`,
			client.ProblemError{Status: 400, Code: "invalid_data", Title: "Bad Request", Detail: "line 3: data is not valid UTF-8", Field: "data", Line: 3},
			"400 invalid_data: line 3: data is not valid UTF-8", nil,
		},
		{
			"with a wait", 429, kind, `{"code":"rate_limited","title":"Too many events a second"}`,
			client.ProblemError{Status: 429, Code: "rate_limited", Title: "Too many events a second", RetryAfter: 7 * time.Second},
			"429 rate_limited: Too many events a second",
			[]string{"Retry-After", "7"},
		},
		{
			"of a proxy", 502, "text/html", "<h1>Bad Gateway</h1>",
			client.ProblemError{Status: 502, Title: "Bad Gateway"},
			"502: Bad Gateway",
			[]string{"Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"},
		},
		{
			"broken", 400, kind, `{"code":"inval`,
			client.ProblemError{Status: 400, Title: "Bad Request"},
			"400: Bad Request", nil,
		},
		{
			"without end", 400, kind, `{"code":"` + strings.Repeat("x", 1<<20) + `"}`,
			client.ProblemError{Status: 400, Title: "Bad Request"},
			"400: Bad Request", nil,
		},
		{
			"of an unknown status", 599, kind, `{"status":200}`,
			client.ProblemError{Status: 599},
			"599: no reason given", nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, _ := serveResponse(t, c.status, c.kind, c.body, c.header...)
			_, err := cl.Publish(t.Context(), client.PublishRequest{Topics: []string{"a"}})
			var problem *client.ProblemError
			require.ErrorAs(t, err, &problem)
			assert.Equal(t, c.want, *problem)
			assert.Equal(t, c.text, problem.Error())
		})
	}
}

func TestPublishChecksTheAcknowledgement(t *testing.T) {
	for _, body := range []string{"", "<html>", "{}", `{"id":""}`, `{"id":5}`, `{"ids":[]}`, `[]`, `{"ids":["a1-7","a1-8"]}`} {
		c, _ := serveResponse(t, http.StatusOK, "application/json", body)
		_, err := c.Publish(t.Context(), client.PublishRequest{Topics: []string{"a"}})
		require.Error(t, err, "%q", body)
	}
}

func TestPublishEndsWithItsContextAndItsTimeout(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer web.Close()
	cfg := config(web.URL)
	cfg.Timeout = 20 * time.Millisecond
	_, err := newClient(t, cfg, nil).Publish(t.Context(), client.PublishRequest{Topics: []string{"a"}})
	require.ErrorIs(t, err, context.DeadlineExceeded)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = newClient(t, config(web.URL), nil).Publish(ctx, client.PublishRequest{Topics: []string{"a"}})
	require.ErrorIs(t, err, context.Canceled)
	assert.NotContains(t, err.Error(), token)
}

func TestRedirectsStayWithTheServerAndTheMethod(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server was asked, with %q", r.Header.Get("Authorization"))
	}))
	defer other.Close()

	t.Run("another host", func(t *testing.T) {
		c, _ := serveResponse(t, http.StatusTemporaryRedirect, "text/plain", "", "Location", other.URL+"/events?token=hidden")
		_, err := c.Publish(t.Context(), client.PublishRequest{Topics: []string{"a"}})
		require.EqualError(t, err, "307: redirected to "+other.URL+"/events, which is not followed")
	})
	t.Run("another method", func(t *testing.T) {
		c, got := serveResponse(t, http.StatusFound, "text/plain", "", "Location", "/elsewhere")
		_, err := c.Publish(t.Context(), client.PublishRequest{Topics: []string{"a"}})
		require.ErrorContains(t, err, "302: redirected to ")
		assert.Len(t, *got, 1)
	})
	t.Run("in a circle", func(t *testing.T) {
		c, got := serveResponse(t, http.StatusTemporaryRedirect, "text/plain", "", "Location", "/prefix/events")
		_, err := c.Publish(t.Context(), client.PublishRequest{Topics: []string{"a"}})
		require.ErrorContains(t, err, "307: redirected to ")
		assert.Len(t, *got, 10)
	})
	t.Run("within the server", func(t *testing.T) {
		c, got := serving(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/prefix/events" {
				http.Redirect(w, r, "/moved/events", http.StatusPermanentRedirect)
				return
			}
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"id":"a1-7"}`)
		})
		id, err := c.Publish(t.Context(), client.PublishRequest{Topics: []string{"a"}, Data: "x", Key: "k"})
		require.NoError(t, err)
		assert.Equal(t, "a1-7", id)
		r := (*got)[1]
		assert.Equal(t, "POST /moved/events x", r.method+" "+r.path+" "+r.body)
		assert.Equal(t, "Bearer "+token, r.header.Get("Authorization"))
		assert.Equal(t, "k", r.header.Get("Idempotency-Key"))
	})
}
