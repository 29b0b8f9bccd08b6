package httpapi_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"carillon/internal/domain/access"
	"carillon/internal/transport/httpapi"
)

// recorder records refusals.
type recorder struct {
	mu    sync.Mutex
	calls []string
}

func (o *recorder) record(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, what)
}

func (o *recorder) PublishRefused(code string) { o.record("publish " + code) }
func (o *recorder) StreamRefused(code string)  { o.record("stream " + code) }
func (o *recorder) AuthFailed(code string)     { o.record("auth " + code) }

func TestObserverIsToldOfWhatIsTurnedAway(t *testing.T) {
	eventStream := []string{"Accept", "text/event-stream"}
	bearer := func(token string) []string { return []string{"Authorization", "Bearer " + token} }
	for name, c := range map[string]struct {
		method, path string
		header       []string
		change       func(*settings)
		want         []string
	}{
		"a good publish":      {http.MethodPost, "/events?topic=a", bearer(tokenAll), nil, nil},
		"publish, no token":   {http.MethodPost, "/events?topic=a", nil, nil, []string{"publish unauthorized", "auth unauthorized"}},
		"publish, expired":    {http.MethodPost, "/events?topic=a", bearer(tokenExpired), nil, []string{"publish token_expired", "auth token_expired"}},
		"publish, forbidden":  {http.MethodPost, "/events?topic=a", bearer(tokenOrders), nil, []string{"publish forbidden", "auth forbidden"}},
		"publish, keys away":  {http.MethodPost, "/events?topic=a", bearer(tokenNoKeys), nil, []string{"publish keys_unavailable", "auth keys_unavailable"}},
		"publish, no topic":   {http.MethodPost, "/events", bearer(tokenAll), nil, []string{"publish invalid_topic"}},
		"stream, bad token":   {http.MethodGet, "/events?topic=a", bearer("nonsense"), nil, []string{"stream token_invalid", "auth token_invalid"}},
		"stream, bad pattern": {http.MethodGet, "/events?topic=a**", nil, nil, []string{"stream invalid_topic"}},
		"stream, no right": {
			http.MethodGet, "/events?topic=a", nil,
			func(s *settings) { s.auth.anonymous = access.Rights{} },
			[]string{"stream unauthorized", "auth unauthorized"},
		},
		"another origin": {
			http.MethodGet, "/events?topic=a",
			[]string{"Origin", "https://evil.example"},
			func(s *settings) { s.http.CORS = httpapi.CORS{Origins: []string{"https://a.example"}} },
			[]string{"stream origin_refused", "auth origin_refused"},
		},
		"no such route": {http.MethodGet, "/nowhere", nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			refusals := &recorder{}
			s := serve(t, func(s *settings) {
				s.observer = refusals
				if c.change != nil {
					c.change(s)
				}
			})
			s.do(c.method, c.path, "", c.header...)
			assert.Equal(t, c.want, refusals.calls)
		})
	}
	for name, header := range map[string][]string{"by a stream": eventStream, "by a status": nil} {
		t.Run("at the limit, refused "+name, func(t *testing.T) {
			refusals := &recorder{}
			s := serve(t, func(s *settings) { s.limits.MaxStreams, s.observer = 1, refusals })
			s.listen("topic=a")
			s.do(http.MethodGet, "/events?topic=a", "", header...)
			assert.Equal(t, []string{"stream stream_limit"}, refusals.calls)
		})
	}
}

// A client that leaves during a request is neither an error of the server nor a refusal.
func TestClientThatLeavesIsNoError(t *testing.T) {
	for name, secure := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			t.Run(name+" "+method, func(t *testing.T) {
				refusals := &recorder{}
				s := serve(t, func(s *settings) { s.observer, s.secure = refusals, secure })
				ctx, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer leave()
				_, err := s.client.Do(s.request(method, "/events?topic=a", "", "Authorization", "Bearer "+tokenBlocks).WithContext(ctx))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				eventually(t, "a record", func() bool { return s.logs.FilterMessage("request").Len() == 1 })
				record := s.logs.FilterMessage("request").All()[0]
				assert.EqualValues(t, 499, record.ContextMap()["status"])
				assert.Equal(t, zap.DebugLevel, record.Level)
				refusals.mu.Lock()
				defer refusals.mu.Unlock()
				assert.Empty(t, refusals.calls)
				assert.Zero(t, s.logs.FilterLevelExact(zap.ErrorLevel).Len())
			})
		}
	}
}
