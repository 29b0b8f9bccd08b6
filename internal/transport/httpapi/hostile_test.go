package httpapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/launchdarkly/eventsource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	gosse "github.com/tmaxmax/go-sse"
	"go.uber.org/zap/zapcore"

	"carillon/internal/transport/sse"
)

// hostile are texts that commonly break parsers.
var hostile = map[string]string{
	"LF":                 "a\nb",
	"CR":                 "a\rb",
	"CRLF":               "a\r\nb",
	"only LF":            "\n",
	"many line ends":     "\r\n\r\r\n\n",
	"LF at the end":      "a\n",
	"CR at the end":      "a\r",
	"NUL":                "a\x00b",
	"TAB":                "a\tb",
	"DEL":                "a\x7fb",
	"C1":                 "a\u0085b\u009c",
	"line separator":     "a\u2028b\u2029",
	"BOM":                "\ufeffa",
	"BOM inside":         "a\ufeff",
	"bidi override":      "a\u202eb\u202c",
	"bidi isolate":       "a\u2066b\u2069",
	"zero width":         "a\u200bb\u200d",
	"escape sequence":    "\x1b[31mred",
	"lone surrogate":     "a\xed\xa0\x80b",
	"broken UTF-8":       "a\xffb",
	"cut UTF-8":          "a\xe2\x82",
	"overlong":           "\xc0\xaf",
	"leading space":      " a",
	"leading spaces":     "   a",
	"trailing space":     "a ",
	"only a space":       " ",
	"data: text":         "data: a",
	"a frame":            "x\n\ndata: forged\nid: 7\n\n",
	"a chunk":            "x\r\n0\r\n\r\n",
	"a header":           "x\r\nSet-Cookie: a=b",
	"a comment":          ": x",
	"a control event":    "carillon.reset",
	"a wildcard":         "a/*",
	"JSON":               `{"a":"\ud800"}`,
	"percent":            "%00%zz",
	"emoji":              "👩‍👩‍👧🔔",
	"combining":          "e\u0301\u0301",
	"a position":         "e1-1",
	"a huge number":      "99999999999999999999999",
	"a negative number":  "-1",
	"minus nothing":      "-",
	"255 bytes":          strings.Repeat("a", 255),
	"256 bytes":          strings.Repeat("a", 256),
	"ten thousand bytes": strings.Repeat("é", 5000),
	"5 MB":               strings.Repeat("a", 5<<20),
}

// asRead is how data comes back: all line ends become LF.
func asRead(data string) string {
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data)
}

// parseFrame returns the messages of a frame, which three parsers must agree on.
func parseFrame(t *testing.T, frame string) []sse.Message {
	t.Helper()
	ours, err := sse.NewDecoder(strings.NewReader(frame), 1<<24, "").Next()
	require.NoError(t, err)
	all := []sse.Message{{ID: ours.ID, Type: ours.Type, Data: ours.Data}}
	for e, err := range gosse.Read(strings.NewReader(frame), &gosse.ReadConfig{MaxEventSize: 1 << 24}) {
		require.NoError(t, err)
		all = append(all, sse.Message{ID: e.LastEventID, Type: e.Type, Data: e.Data})
	}
	decoder := eventsource.NewDecoder(strings.NewReader(frame))
	for {
		e, err := decoder.Decode()
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		all = append(all, sse.Message{ID: e.Id(), Type: e.Event(), Data: e.Data()})
	}
	require.Len(t, all, 3, "the parsers do not agree on the number of events in %q", frame)
	for i := range all {
		if all[i].Type == "" {
			all[i].Type = "message"
		}
	}
	return all
}

func TestHostileTextIsRefusedByNameOrComesBackTheSame(t *testing.T) {
	s := serve(t)
	st, _ := s.listen("topic=**")
	accepted := make(map[string]int)
	for name, text := range hostile {
		line := func(field string) string {
			quoted := []byte(`"` + text + `"`) // broken UTF-8 goes out as it is
			if utf8.ValidString(text) {
				var err error
				quoted, err = json.Marshal(text)
				require.NoError(t, err)
			}
			fields := map[string]string{"topic": `"t"`, "data": `"d"`}
			fields[field] = string(quoted)
			var b strings.Builder
			for name, value := range fields {
				fmt.Fprintf(&b, ",%q:%s", name, value)
			}
			return "{" + b.String()[1:] + "}"
		}
		query := func(name string) string { return name + "=" + url.QueryEscape(text) }
		for _, c := range []struct {
			field string
			send  func() reply
			want  sse.Message
		}{
			{"topic", func() reply { return s.post(query("topic"), "d") }, sse.Message{Type: "message", Data: "d"}},
			{"type", func() reply { return s.post("topic=t&"+query("type"), "d") }, sse.Message{Type: text, Data: "d"}},
			{"retry", func() reply { return s.post("topic=t&"+query("retry"), "d") }, sse.Message{Type: "message", Data: "d"}},
			{"data", func() reply { return s.post("topic=t", text) }, sse.Message{Type: "message", Data: asRead(text)}},
			{"topic", func() reply { return s.post("", line("topic"), "Content-Type", batchType) }, sse.Message{Type: "message", Data: "d"}},
			{"type", func() reply { return s.post("", line("type"), "Content-Type", batchType) }, sse.Message{Type: text, Data: "d"}},
			{"key", func() reply { return s.post("", line("key"), "Content-Type", batchType) }, sse.Message{Type: "message", Data: "d"}},
			{"retry", func() reply { return s.post("", line("retry"), "Content-Type", batchType) }, sse.Message{Type: "message", Data: "d"}},
			{"data", func() reply { return s.post("", line("data"), "Content-Type", batchType) }, sse.Message{Type: "message", Data: asRead(text)}},
		} {
			a := c.send()
			if a.status >= 400 {
				require.Less(t, a.status, 500, "%s in %s", name, c.field)
				if a.status == http.StatusRequestHeaderFieldsTooLarge {
					continue // the response of net/http itself to a query of five megabytes
				}
				p := refused(t, a)
				switch p.Code {
				case "too_large":
				case "invalid_body": // a batch's line that is no JSON, as broken UTF-8 is not
					assert.Equal(t, 1, p.Line)
					assert.False(t, utf8.ValidString(text), "%s in %s", name, c.field)
				default:
					assert.Equal(t, "invalid_"+c.field, p.Code, "%s in %s", name, c.field)
					assert.Equal(t, c.field, p.Field)
				}
				if len(text) > 3 {
					assert.NotContains(t, p.Detail, text, "%s is sent back", name)
				}
				continue
			}
			accepted[c.field]++
			var got struct {
				ID  string   `json:"id"`
				IDs []string `json:"ids"`
			}
			require.NoError(t, json.Unmarshal([]byte(a.body), &got))
			c.want.ID = strings.Join(append(got.IDs, got.ID), "")
			for _, m := range parseFrame(t, st.block()) {
				require.Equal(t, c.want, m, "%s in %s", name, c.field)
			}
		}
	}
	// If everything were refused, the table would prove nothing.
	assert.Greater(t, accepted["data"], len(hostile), "of %d, twice", len(hostile))
	assert.Positive(t, accepted["topic"])
	assert.Positive(t, accepted["type"])
	assert.Positive(t, accepted["key"])
	s.checkNoServerFaults()
}

func TestHostileHeaders(t *testing.T) {
	s := serve(t)
	for name, text := range hostile {
		for _, header := range []string{"Authorization: Bearer ", "Authorization: ", "Cookie: carillon=", "Idempotency-Key: "} {
			token := ""
			if header == "Idempotency-Key: " {
				token = "Authorization: Bearer " + tokenAll + "\r\n"
			}
			got := s.raw("POST /events?topic=t HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + token + header + text + "\r\nContent-Length: 1\r\n\r\nd")
			if got != "" { // a five megabytes' head may be cut off before it is read
				assert.Regexp(t, `\AHTTP/1\.[01] (201|4\d\d) `, got[:min(len(got), 14)], "%s in %s", name, header)
			}
		}
		for _, request := range []string{
			"GET /events?topic=t HTTP/1.1\r\nHost: x\r\nLast-Event-ID: " + text + "\r\n\r\n",
			"GET /events?topic=t&last_event_id=" + url.QueryEscape(text) + " HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET /events?topic=t&last=" + url.QueryEscape(text) + " HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET /events?topic=t&since=" + url.QueryEscape(text) + " HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET /events?topic=" + url.QueryEscape(text) + " HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET /events?topic=t HTTP/1.1\r\nHost: x\r\nX-Request-Id: " + text + "\r\n\r\n",
			"GET /events?topic=t HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: " + text + "\r\n\r\n",
		} {
			conn := s.dial()
			_, _ = io.WriteString(conn, request)
			got := make([]byte, 14)
			n, _ := io.ReadFull(conn, got)
			if n > 0 {
				assert.Regexp(t, `\AHTTP/1\.[01] (200|4\d\d) `, string(got[:n]), "%s in %.60q", name, request)
			}
			_ = conn.Close()
		}
	}
	s.checkNoServerFaults()
}

// checkNoServerFaults checks that the log records contain no fault of the server.
func (s *server) checkNoServerFaults() {
	s.Helper()
	for _, entry := range s.logs.All() {
		assert.Less(s, entry.Level, zapcore.WarnLevel, "%s %v", entry.Message, entry.ContextMap())
		if status, ok := entry.ContextMap()["status"].(int64); ok {
			assert.Less(s, status, int64(500))
		}
	}
}

func TestTenThousandMalformedRequests(t *testing.T) {
	const requests, workers = 10_000, 8
	s := serve(t)
	st, _ := s.listen("topic=healthy")
	var publishing, flooding sync.WaitGroup
	stop := make(chan struct{})
	published := make(chan string, 1<<20)
	publishing.Go(func() {
		defer close(published)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				text := fmt.Sprint(i)
				published <- "id: " + s.publish("healthy", text) + "\ndata: " + text + "\n\n"
			}
		}
	})
	for worker := range workers {
		flooding.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for range requests / workers {
				request := malformedRequest(random)
				conn := s.dial()
				_, _ = io.WriteString(conn, request)
				_ = conn.(interface{ CloseWrite() error }).CloseWrite()
				all, _ := io.ReadAll(conn)
				_ = conn.Close()
				for _, status := range statusLine.FindAllStringSubmatch(string(all), -1) {
					// The responses of net/http to an unknown version or transfer coding are correct.
					if status[1] != "501" && status[1] != "505" {
						assert.Less(t, status[1], "500", "%q got %q", request, all)
					}
				}
			}
		})
	}
	flooding.Wait()
	close(stop)
	publishing.Wait()
	require.NotEmpty(t, published)
	for want := range published {
		require.Equal(t, want, st.block(), "a healthy subscriber missed something")
	}
	eventually(t, "no other stream is left", func() bool { return s.engine.Streams() == 1 })
	s.checkNoServerFaults()
}

var statusLine = regexp.MustCompile(`HTTP/1\.[01] (\d\d\d)`)

// malformedRequest returns a random request of a kind that no client sends.
func malformedRequest(random *rand.Rand) string {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	junk := func() string {
		b := make([]byte, random.IntN(40))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return string(b)
	}
	var b strings.Builder
	if random.IntN(5) == 0 {
		b.WriteString(junk())
	}
	b.WriteString(pick("GET", "POST", "PUT", "OPTIONS", "HEAD", "PRI", "get", junk()) + pick(" ", "  ", "\t"))
	b.WriteString(pick("/events", "/events?topic=a", "/events?"+junk(), "/events?topic="+url.QueryEscape(junk()), "*", "//", "/assets/../..", "http://x/events", junk()))
	b.WriteString(" " + pick("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/1.9", "http/1.1", junk()) + pick("\r\n", "\n", "\r"))
	for range random.IntN(6) {
		b.WriteString(pick("Host: x", "Host:", "Authorization: Bearer "+tokenAll, "Authorization: "+junk(), "Last-Event-ID: "+junk(),
			"Content-Length: 5", "Content-Length: -1", "Content-Length: 99999999999999999999", "Transfer-Encoding: chunked",
			"Transfer-Encoding: gzip, chunked", "Content-Type: "+batchType, "Content-Type: "+junk(), "Connection: upgrade", "Upgrade: websocket",
			"Expect: 100-continue", "Expect: "+junk(), "Range: bytes=0-1", "Accept-Encoding: gzip", "Origin: "+junk(), "Cookie: carillon="+junk(),
			"Idempotency-Key: "+junk(), ": "+junk(), " folded", junk()) + pick("\r\n", "\r\n", "\n"))
	}
	b.WriteString(pick("\r\n", "\r\n", "\r\n", "\n", ""))
	b.WriteString(pick("", "hello", "5\r\nhello\r\n0\r\n\r\n", "fffffffff\r\n", "0\r\n\r\n", `{"topic":`, "{\"topic\":\"a\"}\n", junk()))
	return b.String()
}
