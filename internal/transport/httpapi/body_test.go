package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever a request asks for, a body that does not arrive must not occupy a connection forever.
func TestASlowBodyIsNotWaitedFor(t *testing.T) {
	s := serve(t, func(s *settings) { s.http.ReadTimeout = 2 * time.Second }) // which is also how long a busy machine may take to answer
	for _, c := range []struct {
		name, request, status string
	}{
		{"published", "POST /events?topic=a HTTP/1.1\r\nAuthorization: Bearer " + tokenAll + "\r\n", "408"},
		{"batch", "POST /events HTTP/1.1\r\nContent-Type: " + batchType + "\r\nAuthorization: Bearer " + tokenAll + "\r\n", "408"},
		{"without a token", "POST /events?topic=a HTTP/1.1\r\n", "401"},
		{"without a topic", "POST /events HTTP/1.1\r\nAuthorization: Bearer " + tokenAll + "\r\n", "400"},
		{"no such route", "POST /nothing HTTP/1.1\r\n", "404"},
		{"no such method", "PUT /events HTTP/1.1\r\n", "405"},
		{"the page", "GET / HTTP/1.1\r\n", "200"},
	} {
		for _, framing := range []string{"Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				got := s.raw(c.request + "Host: x\r\n" + framing)
				assert.Equal(t, "HTTP/1.1 "+c.status, got[:min(len(got), 12)], "%q", framing)
			})
		}
	}
}

func TestAConnectionServesAgainAfterABody(t *testing.T) {
	s := serve(t, func(s *settings) { s.http.ReadTimeout = 500 * time.Millisecond })
	conn := s.dial()
	publish := "POST /events?topic=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + tokenAll + "\r\nContent-Length: 1\r\n\r\nx"
	for range 2 {
		_, err := io.WriteString(conn, publish)
		require.NoError(t, err)
		buf := make([]byte, 1000)
		n, err := conn.Read(buf)
		require.NoError(t, err)
		assert.Contains(t, string(buf[:n]), "HTTP/1.1 201 Created\r\n")
		<-time.After(1100 * time.Millisecond) // a body's deadline is not the connection's
	}
}

func TestABodyIsReadNoFurtherThanItsLimit(t *testing.T) {
	s := serve(t, func(s *settings) { s.limits.EventBytes, s.limits.BatchBytes = 100, 100 })
	body := &counting{left: 5 << 20}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/events?topic=a", body)
	r.Header.Set("Authorization", "Bearer "+tokenAll)
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	assert.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	assert.Less(t, body.read, 10_000)
	assert.Equal(t, http.StatusRequestEntityTooLarge, s.post("topic=a", strings.Repeat("x", 5<<20)).status)
}

type counting struct{ left, read int }

func (c *counting) Read(b []byte) (int, error) {
	n := min(len(b), c.left)
	c.left -= n
	c.read += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// A client that takes nothing of a response, by its HTTP/2 flow-control window too, must not hold a goroutine for ever.
func TestResponseThatIsNotReadEnds(t *testing.T) {
	for name, secure := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{})
			s := serve(t, func(s *settings) {
				s.http.ReadTimeout, s.secure = 200*time.Millisecond, secure
				s.page = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					defer close(ended)
					for piece := make([]byte, 1<<20); ; {
						if _, err := w.Write(piece); err != nil {
							return
						}
					}
				})
			})
			client := &http.Client{Transport: s.client.Transport.(describedTransport).next} // the other reads whole responses
			response, err := client.Do(s.request(http.MethodGet, "/", ""))
			require.NoError(t, err)
			defer response.Body.Close()
			select {
			case <-ended:
			case <-time.After(waitTimeout):
				t.Error("the handler still writes")
				response.Body.Close()
				<-ended
			}
		})
	}
}
