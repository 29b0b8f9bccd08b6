package keepalive_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var date = regexp.MustCompile(`Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`)

func TestResponsesAreExactBytes(t *testing.T) {
	s := onLoopback(t, http.HandlerFunc(echo), true)
	for path, want := range map[string]string{
		"/nothing":   "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\n\r\n",
		"/none":      "HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n",
		"/unknown":   "HTTP/1.1 299 status code 299\r\nDate: now\r\nContent-Length: 0\r\n\r\n",
		"/unchanged": "HTTP/1.1 304 Not Modified\r\nDate: now\r\n\r\n",
		"/unread":    "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 8\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nnot read",
		"/big":       "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 15000\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + strings.Repeat("<p>", 5000),
		"/typed": "HTTP/1.1 201 Created\r\nContent-Type: text/x\r\nDate: today\r\nX-Many: 1\r\nX-Many: 2  x\r\nContent-Length: 87\r\n\r\n" +
			"POST /typed /typed HTTP/1.1 a 4 [] false true true <nil> EOF\nContent-Length: [\"4\"]\nbody",
		"/last": "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 85\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
			"POST /last /last HTTP/1.1 a 4 [] false true true <nil> EOF\nContent-Length: [\"4\"]\nbody",
		"/late":    "HTTP/1.1 200 OK\r\nX-Early: 1\r\nDate: now\r\nContent-Length: 0\r\n\r\n",
		"/encoded": "HTTP/1.1 200 OK\r\nContent-Encoding: x\r\nDate: now\r\nContent-Length: 1\r\n\r\nx",
		"/untyped": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
		"/early":   "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\n\r\n",
		"/announced": "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 1\r\nContent-Type: text/plain; charset=utf-8\r\n" +
			"Connection: close\r\n\r\nx",
		"/invalid": "",
		"/abort":   "",
		"/exit":    "",
	} {
		for before := 1; before <= 2; before++ { // requests on the connection, of which net/http answers the first one
			got := s.exchange(t, strings.Repeat(post("/none", "x"), before)+post(path, "body"))
			for range before {
				_, got, _ = strings.Cut(got, "\r\n\r\n")
			}
			assert.Equal(t, want, date.ReplaceAllString(got, "Date: now"), path)
		}
	}
}

// A head that arrives in pieces is read by net/http; a body that does is not.
func TestRequestsInPieces(t *testing.T) {
	s := onLoopback(t, via(echo), true)
	c := s.dial(t)
	c.send(post("/", "x"))
	c.receive()
	text := post("/", strings.Repeat("x", 10_000))
	head := strings.Index(text, "\r\n\r\n") + 4
	for _, cut := range []int{1, 10, head - 1, head, head + 1, len(text) - 1} {
		c.send(text[:cut])
		if cut == head {
			_ = c.SetReadDeadline(soon())
			_, err := c.Read(make([]byte, 1))
			require.Error(t, err, "there is no response without the body")
			_ = c.SetReadDeadline(never)
		}
		c.send(text[cut:])
		assert.True(t, strings.HasSuffix(c.receive().body, "\n"+strings.Repeat("x", 10_000)), cut)
	}
}

func TestPanicIsLogged(t *testing.T) {
	s := onLoopback(t, http.HandlerFunc(echo), true)
	for _, path := range []string{"/panic", "/abort", "/exit"} {
		c := s.dial(t)
		c.send(post(path, "x"))
		c.end()
	}
	require.Len(t, s.logs.All(), 1, "http.ErrAbortHandler and runtime.Goexit are not logged")
	record := s.logs.All()[0].ContextMap()
	assert.Equal(t, "defect", record["reason"])
	assert.Contains(t, record["peer"], "127.0.0.1:")
	assert.Contains(t, record["stack"], "echo")
}

// The answer to a body that is not read arrives, although the connection is closed.
func TestLargeBodyThatIsNotRead(t *testing.T) {
	s := onLoopback(t, via(echo), true)
	for _, size := range []int{5_000, 256<<10 - 1, 256 << 10, 4 << 20} {
		c := s.dial(t)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = io.WriteString(c, post("/unread", strings.Repeat("x", size)))
		}()
		a := c.receive()
		assert.Equal(t, "not read", a.body)
		assert.Equal(t, size >= 256<<10, a.close, size)
		if a.close {
			c.end()
		} else {
			c.send(post("/none", "x"))
			assert.Equal(t, "204 No Content", c.receive().status)
		}
		_ = c.Close()
		<-sent
	}
}

func TestContextHasTheValuesOfTheConnection(t *testing.T) {
	s := onLoopback(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.IsType(t, &http.Server{}, r.Context().Value(http.ServerContextKey))
		assert.Implements(t, (*net.Addr)(nil), r.Context().Value(http.LocalAddrContextKey))
		assert.NoError(t, r.Context().Err())
	}), true)
	s.exchange(t, post("/", "x")+post("/", "x"))
}

// The context of a request ends with it.
func TestContextEnds(t *testing.T) {
	ended := make(chan struct{}, 2)
	s := onLoopback(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		go func() {
			<-r.Context().Done()
			ended <- struct{}{}
		}()
	}), true)
	c := s.dial(t)
	for range 2 {
		c.send(post("/", "x"))
		c.receive()
		<-ended
	}
}

// Real clients reuse their connections for requests of all kinds.
func TestClientOfNetHTTP(t *testing.T) {
	s := onLoopback(t, via(echo), true)
	var transport http.Transport
	defer transport.CloseIdleConnections()
	remote := make(map[string]bool)
	for range 10 {
		for _, body := range []io.Reader{nil, strings.NewReader("known length"), io.MultiReader(strings.NewReader("chunks"))} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.listener.Addr().String()+"/a?b=c", body)
			require.NoError(t, err)
			conn, err := transport.RoundTrip(r)
			require.NoError(t, err)
			text, err := io.ReadAll(conn.Body)
			require.NoError(t, err)
			require.NoError(t, conn.Body.Close())
			assert.Contains(t, string(text), "POST /a?b=c")
			remote[conn.Header.Get("X-Taken")] = true
		}
	}
	assert.Len(t, remote, 2)
}

func responses(text string) (all []answer, rest error) {
	in := bufio.NewReader(strings.NewReader(text))
	for {
		a, err := read(in)
		if err != nil {
			return all, err
		}
		a.header.Del("Content-Length") // net/http sends long bodies in chunks
		all = append(all, a)
	}
}
