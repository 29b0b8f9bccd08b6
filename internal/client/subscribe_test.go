package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/client"
	"carillon/internal/domain/event"
	"carillon/internal/transport/sse"
)

// attempt is one connection of a scripted server: a response or an error.
type attempt func(*http.Request) (*http.Response, error)

// scripted is a server that plays one attempt after the other, in the fake time of the test. After the last it refuses
// permanently.
type scripted struct {
	attempts []attempt
	requests []*http.Request
	times    []time.Time
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	s.requests, s.times = append(s.requests, r), append(s.times, time.Now())
	if len(s.requests) > len(s.attempts) {
		return refuse(http.StatusGone)(r)
	}
	return s.attempts[len(s.requests)-1](r)
}

// waits are the pauses between the attempts, when each ended at once.
func (s *scripted) waits() []time.Duration {
	var all []time.Duration
	for i := 1; i < len(s.times); i++ {
		all = append(all, s.times[i].Sub(s.times[i-1]))
	}
	return all
}

func refuse(status int, header ...string) attempt {
	return func(r *http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: r}
		for i := 0; i < len(header); i += 2 {
			resp.Header.Set(header[i], header[i+1])
		}
		return resp, nil
	}
}

func unreachable(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// stream responds with what write writes; the stream ends when it returns, and write's pauses end with the request.
func stream(write func(ctx context.Context, w io.Writer)) attempt {
	return func(r *http.Request) (*http.Response, error) {
		in, out := io.Pipe()
		stop := context.AfterFunc(r.Context(), func() { _ = out.CloseWithError(r.Context().Err()) })
		go func() {
			defer stop()
			write(r.Context(), out)
			_ = out.Close()
		}()
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: in, Request: r}, nil
	}
}

func text(s string) attempt {
	return stream(func(_ context.Context, w io.Writer) { _, _ = io.WriteString(w, s) })
}

// follow subscribes until the script ends and returns the data of the received events.
func follow(t *testing.T, s *scripted, request client.SubscribeRequest) []string {
	t.Helper()
	var got []string
	err := newClient(t, config("http://server"), s).Subscribe(t.Context(), request, func(m client.Event) error {
		got = append(got, m.Data)
		return nil
	})
	var problem *client.ProblemError
	require.ErrorAs(t, err, &problem)
	require.Equal(t, http.StatusGone, problem.Status)
	return got
}

// checkWaits checks that each wait is the expected one, or up to a quarter longer.
func checkWaits(t *testing.T, want, got []time.Duration) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		assert.GreaterOrEqual(t, got[i], want[i], "wait %d", i)
		assert.LessOrEqual(t, got[i], want[i]+want[i]/4, "wait %d", i)
	}
}

func TestSubscribeAsksForTheTopicsAndTheStart(t *testing.T) {
	for _, c := range []struct {
		name    string
		request client.SubscribeRequest
		query   map[string][]string
		resume  string
	}{
		{"nothing", client.SubscribeRequest{}, map[string][]string{}, ""},
		{"topics", client.SubscribeRequest{Topics: []string{"a/*", "b c"}}, map[string][]string{"topic": {"a/*", "b c"}}, ""},
		{"last", client.SubscribeRequest{Topics: []string{"a"}, Last: 5, Since: "5m"}, map[string][]string{"topic": {"a"}, "last": {"5"}}, ""},
		{"since", client.SubscribeRequest{Topics: []string{"a"}, Since: "5m"}, map[string][]string{"topic": {"a"}, "since": {"5m"}}, ""},
		{"id", client.SubscribeRequest{LastEventID: "a1-7", Last: 5, Since: "5m"}, map[string][]string{}, "a1-7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &scripted{}
			assert.Empty(t, follow(t, s, c.request))
			r := s.requests[0]
			assert.Equal(t, "GET http://server/events", r.Method+" "+r.URL.Scheme+"://"+r.URL.Host+r.URL.Path)
			assert.Equal(t, c.query, map[string][]string(r.URL.Query()))
			assert.Equal(t, c.resume, r.Header.Get("Last-Event-ID"))
			assert.Equal(t, "text/event-stream", r.Header.Get("Accept"))
			assert.Equal(t, "identity", r.Header.Get("Accept-Encoding"))
			assert.Equal(t, "Bearer "+token, r.Header.Get("Authorization"))
		})
	}
}

func TestSubscribeResumesWhereItWasCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{attempts: []attempt{
			text("retry: 2000\n: carillon\nid: a1-0\n\n"), // cut before the first event
			text("id: a1-1\ndata: one\n\nid: a1-2\ndata: two\n\nid: a1-3\ndata: half"),
			text("id: a1-3\ndata: three\n\n:\nid: a1-9\n\n"), // a heartbeat moves the bookmark on
			text("retry: 5000\nevent: carillon.goaway\ndata: {\"reason\":\"drain\"}\n\n"),
			text("id: a1-12\nevent: carillon.reset\ndata: {}\n\n"),
		}}
		opened := 0
		var why []error
		got := follow(t, s, client.SubscribeRequest{
			Last:    3,
			Opened:  func() { opened++ },
			Waiting: func(err error, _ time.Duration) { why = append(why, err) },
		})
		assert.Equal(t, []string{"one", "two", "three", `{"reason":"drain"}`, "{}"}, got)
		var resumed []string
		for _, r := range s.requests {
			resumed = append(resumed, r.Header.Get("Last-Event-ID"))
		}
		assert.Equal(t, []string{"", "a1-0", "a1-2", "a1-9", "a1-9", "a1-12"}, resumed)
		assert.Equal(t, "last=3", s.requests[0].URL.RawQuery)
		assert.Empty(t, s.requests[1].URL.RawQuery, "where to start is asked once")
		checkWaits(t, []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second, 5 * time.Second, 5 * time.Second}, s.waits())
		assert.Equal(t, 5, opened)
		assert.Equal(t, []error{client.ErrEnded, client.ErrEnded, client.ErrEnded, client.ErrEnded, client.ErrEnded}, why)
	})
}

func TestSubscribeHandsOverControlEventsWithTheirTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{attempts: []attempt{text(
			"id: a1-9\nevent: carillon.reset\ndata: {\"reason\":\"expired\"}\n\n" +
				"retry: 1750\nevent: carillon.goaway\ndata: {\"reason\":\"drain\"}\n\n")}}
		var got []client.Event
		err := newClient(t, config("http://server"), s).Subscribe(t.Context(), client.SubscribeRequest{}, func(m client.Event) error {
			got = append(got, m)
			return nil
		})
		require.Error(t, err)
		assert.Equal(t, []client.Event{
			{ID: "a1-9", Type: sse.TypeReset, Data: `{"reason":"expired"}`},
			{ID: "a1-9", Type: sse.TypeGoaway, Data: `{"reason":"drain"}`, Retry: 1750 * time.Millisecond},
		}, got)
	})
}

func TestSubscribeWaitsLongerWhileConnectingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{attempts: []attempt{
			unreachable, unreachable, refuse(503), refuse(500), refuse(429), refuse(408), unreachable,
			text("data: x\n\n"), unreachable,
		}}
		assert.Equal(t, []string{"x"}, follow(t, s, client.SubscribeRequest{}))
		checkWaits(t, []time.Duration{
			time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second,
			time.Second, 2 * time.Second,
		}, s.waits())
	})
}

func TestSubscribeHonoursTheServersWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{attempts: []attempt{
			refuse(429, "Retry-After", "90"), text("retry: 120000\n\n"), unreachable, text("retry: 0\n\n"),
		}}
		assert.Empty(t, follow(t, s, client.SubscribeRequest{}))
		checkWaits(t, []time.Duration{90 * time.Second, 2 * time.Minute, 2 * time.Minute, 100 * time.Millisecond}, s.waits())
	})
}

func TestSubscribeSpreadsItsReconnects(t *testing.T) {
	waits := map[time.Duration]bool{}
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{attempts: []attempt{unreachable}}
			follow(t, s, client.SubscribeRequest{})
			waits[s.waits()[0]] = true
		})
	}
	assert.Greater(t, len(waits), 1)
}

func TestSubscribeGivesUpOnWhatStands(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 405, 410, 414, 204, 301} {
		s := &scripted{attempts: []attempt{refuse(status)}}
		err := newClient(t, config("http://server"), s).Subscribe(t.Context(), client.SubscribeRequest{}, nil)
		var problem *client.ProblemError
		require.ErrorAs(t, err, &problem)
		assert.Equal(t, status, problem.Status)
		assert.Len(t, s.requests, 1)
	}

	html := &scripted{attempts: []attempt{refuse(200, "Content-Type", "text/html")}}
	err := newClient(t, config("http://server"), html).Subscribe(t.Context(), client.SubscribeRequest{}, nil)
	require.ErrorIs(t, err, client.ErrNotStream)

	large := &scripted{attempts: []attempt{text("data: " + strings.Repeat("x", 2<<20) + "\n\n")}}
	err = newClient(t, config("http://server"), large).Subscribe(t.Context(), client.SubscribeRequest{}, nil)
	require.ErrorIs(t, err, sse.ErrTooLarge, "it would only come again")

	for _, id := range []string{"a\r\nX: y", "a\x00", " a", "a "} {
		s := &scripted{}
		err = newClient(t, config("http://server"), s).Subscribe(t.Context(), client.SubscribeRequest{LastEventID: id}, nil)
		require.ErrorIs(t, err, event.ErrInvalid)
		assert.Empty(t, s.requests)
	}
}

func TestSubscribeEndsWithTheErrorOfItsHandler(t *testing.T) {
	enough := errors.New("enough")
	s := &scripted{attempts: []attempt{text("data: a\n\ndata: b\n\ndata: c\n\n")}}
	n := 0
	err := newClient(t, config("http://server"), s).Subscribe(t.Context(), client.SubscribeRequest{}, func(client.Event) error {
		if n++; n == 2 {
			return enough
		}
		return nil
	})
	assert.Equal(t, enough, err)
	assert.Equal(t, 2, n)
}

func TestSubscribeEndsWithItsContext(t *testing.T) {
	quiet := stream(func(ctx context.Context, w io.Writer) {
		_, _ = io.WriteString(w, "data: a\n\ndata: b\n\n")
		<-ctx.Done()
	})
	hanging := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	for name, first := range map[string]attempt{"reading": quiet, "connecting": hanging, "waiting": unreachable} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{attempts: []attempt{first}}
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				start := time.Now()
				err := newClient(t, config("http://server"), s).Subscribe(ctx, client.SubscribeRequest{}, func(client.Event) error { return nil })
				require.NoError(t, err)
				assert.Equal(t, 500*time.Millisecond, time.Since(start))
				assert.Len(t, s.requests, 1)
			})
		})
	}

	t.Run("in the handler", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var got []string
			err := newClient(t, config("http://server"), &scripted{attempts: []attempt{quiet}}).Subscribe(ctx, client.SubscribeRequest{}, func(m client.Event) error {
				got = append(got, m.Data)
				cancel()
				return nil
			})
			require.NoError(t, err)
			assert.Equal(t, []string{"a"}, got, "nothing more comes once the context has ended")
		})
	})
}

// writeHeartbeats writes a heartbeat every 15 s, n times.
func writeHeartbeats(ctx context.Context, w io.Writer, n int) {
	for range n {
		select {
		case <-time.After(15 * time.Second):
			_, _ = io.WriteString(w, ":\n\n")
		case <-ctx.Done():
			return
		}
	}
}

func TestSubscribeLeavesASilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{attempts: []attempt{
			stream(func(ctx context.Context, w io.Writer) {
				_, _ = io.WriteString(w, "id: a1-7\ndata: x\n\n")
				writeHeartbeats(ctx, w, 100) // 25 minutes without an event are fine
				<-ctx.Done()
			}),
			func(r *http.Request) (*http.Response, error) { // no head
				<-r.Context().Done()
				return nil, r.Context().Err()
			},
		}}
		var why []error
		got := follow(t, s, client.SubscribeRequest{Waiting: func(err error, _ time.Duration) { why = append(why, err) }})
		assert.Equal(t, []string{"x"}, got)
		require.Len(t, why, 2)
		assert.ErrorIs(t, why[0], client.ErrSilent)
		assert.ErrorIs(t, why[1], client.ErrSilent)
		assert.Equal(t, "a1-7", s.requests[1].Header.Get("Last-Event-ID"))
		waits := s.waits()
		checkWaits(t, []time.Duration{time.Second, 2 * time.Second},
			[]time.Duration{waits[0] - 1500*time.Second - 45*time.Second, waits[1] - 10*time.Second})
	})
}

func TestSubscribeDoesNotTakeASlowHandlerForSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{attempts: []attempt{stream(func(_ context.Context, w io.Writer) {
			for range 3 { // each is read only once the one before has been handled
				_, _ = io.WriteString(w, "data: x\n\n")
			}
		})}}
		var why []error
		n := 0
		err := newClient(t, config("http://server"), s).Subscribe(t.Context(), client.SubscribeRequest{
			Waiting: func(err error, _ time.Duration) { why = append(why, err) },
		}, func(client.Event) error {
			n++
			time.Sleep(time.Hour)
			return nil
		})
		require.Error(t, err)
		assert.Equal(t, 3, n)
		assert.Equal(t, []error{client.ErrEnded}, why)
	})
}
