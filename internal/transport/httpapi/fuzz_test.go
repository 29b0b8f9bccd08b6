package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carillon/internal/transport/sse"
)

// FuzzPublish sends whatever it is given and expects a refusal that names a field, or an event that comes back as it was.
func FuzzPublish(f *testing.F) {
	f.Add("topic=a", "text/plain", "k", "hello")
	f.Add("topic=a&topic=b&type=paid&retry=5", "", "", "two\nlines")
	f.Add("", batchType, "", "{\"topic\":\"a\",\"data\":{\"x\":1}}\n{\"topic\":[\"b\"]}")
	f.Add("topic=%00&type=%zz;", batchType, "\xff", "\x00")
	for _, text := range hostile {
		if len(text) < 1000 {
			f.Add("topic=a&type="+url.QueryEscape(text), "", text, text)
		}
	}
	s := serve(f)
	f.Fuzz(func(t *testing.T, query, kind, key, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/events", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header["Content-Type"] = []string{kind}
		r.Header["Authorization"] = []string{"Bearer " + tokenAll}
		if key != "" {
			r.Header["Idempotency-Key"] = []string{key}
		}
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		a := reply{status: w.Code, header: w.Result().Header, body: w.Body.String()}
		s.logs.TakeAll()
		switch a.status {
		case http.StatusOK:
			require.Regexp(t, `\A\{"ids":\["[a-zA-Z0-9]+-\d+"(,"[a-zA-Z0-9]+-\d+")*\]\}\n\z`, a.body)
		case http.StatusCreated:
			require.Regexp(t, `\A\{"id":"[a-zA-Z0-9]+-\d+"\}\n\z`, a.body)
			if key != "" {
				return // it may be the response of an older event
			}
			// The event reads back as it was sent.
			m := s.newest(t)
			require.Equal(t, idOf(t, a), m.ID)
			require.Equal(t, asRead(body), m.Data)
			values, err := url.ParseQuery(query)
			require.NoError(t, err)
			if want := values.Get("type"); want != "" {
				require.Equal(t, want, m.Type)
			}
		default:
			require.GreaterOrEqual(t, a.status, 400)
			require.Less(t, a.status, 500)
			p := refused(t, a)
			require.Equal(t, strings.HasPrefix(p.Code, "invalid") || p.Code == "key_reused", p.Field != "", p.Code)
		}
	})
}

// newest reads the event that was published last.
func (s *server) newest(t *testing.T) sse.Message {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/events?topic=**&last=1", http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	m, err := sse.NewDecoder(response.Body, 1<<24, "").Next()
	require.NoError(t, err)
	return m
}
