package keepalive_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// requests are what follows an ordinary request on a connection.
var requests = []string{
	"",
	post("/", "body"), post("/", ""), post("/a?b=c&d=%20#f", "x"), post("/%zz", "x"), post("//x", "x"), post("/ü", "x"),
	post("/nothing", "x"), post("/none", "x"), post("/unknown", "x"), post("/unchanged", "x"), post("/typed", "x"), post("/big", "x"),
	post("/late", "x") + post("/", "y"), post("/encoded", "x"), post("/untyped", "x"), post("/read", "x"), post("/invalid", "x") + post("/", "y"), post("/body", "x"), post("/body", ""), post("/exit", "x") + post("/", "y"),
	post("/unread", "x") + post("/", "y"), post("/last", "x") + post("/", "y"), post("/abort", "x") + post("/", "y"), post("/panic", "x"),
	post("/1", "a") + post("/2", "b") + post("/3", "c"),
	post("/", "x", "Connection: keep-alive"), post("/", "x", "connection: Keep-Alive"), post("/", "x", "Connection: close") + post("/", "y"),
	post("/", "x", "Connection: keep-alive, close") + post("/", "y"), post("/", "x", "Connection: upgrade", "Upgrade: websocket"),
	post("/", "x", "Host: b"), post("/", "x", "Content-Length: 1"), post("/", "x", "Content-Length: 2") + post("/", "y"),
	post("/", "x", "Transfer-Encoding: chunked"), post("/", "x", "Transfer-Encoding: identity"), post("/", "x", "Trailer: X"),
	post("/", "x", "Expect: 100-continue"), post("/", "x", "Expect: more"), post("/", "x", "TE: trailers"), post("/", "x", "Keep-Alive: 5"),
	post("/", "x", "X: a", "x: b", "X-y:c", "X-Y:   d  "), post("/", "x", "X : a"), post("/", "x", " X: a"), post("/", "x", "X: a", " b"),
	post("/", "x", "X: a\tb"), post("/", "x", "X: \x00"), post("/", "x", "X: \x7f"), post("/", "x", "X: é"), post("/", "x", "é: x"), post("/", "x", "X"), post("/", "x", ": x"),
	post("/", "x", "Pragma: no-cache"), post("/", "x", "Cookie: a=b", "Cookie: c=d"), post("/", "x", "Authorization: Bearer x"),
	"POST / HTTP/1.1\r\nHost: \r\nContent-Length: 1\r\n\r\nx", "POST / HTTP/1.1\r\nHost: a b\r\nContent-Length: 1\r\n\r\nx",
	"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "POST / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 1\r\n\r\nx",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 01\r\n\r\nx", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\nx", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nx", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx",
	"POST / HTTP/1.1\nHost: a\nContent-Length: 1\n\nx", "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
	"POST / HTTP/1.2\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "POST  / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
	"POST /  HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "POST * HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
	"POST http://b/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "post / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
	"\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "POST / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Le",
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + post("/", "x"), "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "nonsense", "\x16\x03\x01",
	post("/", "x", "X: "+strings.Repeat("x", 2000)), strings.Repeat(post("/", "x"), 10),
}

// A client gets the same responses as from net/http, whatever it sends, and the connection ends at the same place.
func FuzzSameAsNetHTTP(f *testing.F) {
	taking, plain := onLoopback(f, http.HandlerFunc(echo), true), onLoopback(f, http.HandlerFunc(echo), false)
	for _, text := range requests {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 3<<10 { // net/http resets a connection of which it has not read all, and what it sent is lost
			return
		}
		same(t, taking, plain, text)
	})
}

func TestLongInputIsServedAsByNetHTTP(t *testing.T) {
	taking, plain := onLoopback(t, http.HandlerFunc(echo), true), onLoopback(t, http.HandlerFunc(echo), false)
	for _, text := range []string{
		post("/", "x", "X: "+strings.Repeat("x", 5000)), strings.Repeat(post("/", "x"), 500),
		post("/", strings.Repeat("x", 10_000)) + post("/unread", strings.Repeat("x", 10_000)) + post("/", "x"),
	} {
		same(t, taking, plain, text)
	}
}

// same compares what two servers answer to text, as the first on a connection and after ordinary requests.
func same(t *testing.T, taking, plain *server, text string) {
	for _, before := range []string{"", post("/", "first"), post("/", "first") + post("/", "second")} {
		got, gotEnd := responses(taking.exchange(t, before+text))
		want, wantEnd := responses(plain.exchange(t, before+text))
		assert.Equal(t, want, got)
		assert.Equal(t, wantEnd, gotEnd)
	}
}
