package keepalive_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
)

// echo answers with what it got, and does what the path says.
func echo(w http.ResponseWriter, r *http.Request) {
	var body []byte
	var err error
	switch r.URL.Path {
	case "/unread":
		_, _ = io.WriteString(w, "not read")
		return
	case "/read":
	default:
		body, err = io.ReadAll(r.Body)
	}
	switch r.URL.Path {
	case "/nothing":
		return
	case "/none":
		w.WriteHeader(http.StatusNoContent)
		_, _ = w.Write([]byte("x"))
		return
	case "/unknown":
		w.WriteHeader(299)
		return
	case "/unchanged":
		w.Header().Set("Content-Type", "text/x")
		w.WriteHeader(http.StatusNotModified)
		return
	case "/last":
		w.Header().Set("Connection", "close")
	case "/big":
		_, _ = io.WriteString(w, strings.Repeat("<p>", 5000))
		return
	case "/typed":
		w.Header().Set("Content-Type", "text/x")
		w.Header().Add("X-Many", "1")
		w.Header().Add("X-Many", "2\r\nx")
		w.Header().Set("Date", "today")
		w.WriteHeader(http.StatusCreated)
		w.WriteHeader(http.StatusAccepted)
	case "/late": // what is set after WriteHeader is not sent
		w.Header().Set("X-Early", "1")
		w.WriteHeader(http.StatusOK)
		w.Header().Set("X-Early", "2")
		w.Header().Set("X-Late", "1")
		w.Header().Set("Connection", "close")
		return
	case "/encoded":
		w.Header().Set("Content-Encoding", "x")
		_, _ = io.WriteString(w, "x")
		return
	case "/untyped":
		w.Header()["Content-Type"], w.Header()["Date"] = nil, nil
		_, _ = io.WriteString(w, "x")
		return
	case "/body":
		_, _ = fmt.Fprintln(w, r.Body == http.NoBody)
		return
	case "/read":
		n, err := r.Body.Read(make([]byte, 10))
		_, _ = fmt.Fprintln(w, n, err)
		return
	case "/invalid":
		w.WriteHeader(99)
		return
	case "/early":
		w.WriteHeader(http.StatusEarlyHints)
		return
	case "/announced":
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Transfer-Encoding", "chunked")
		w.Header().Set("Connection", "x, Close")
		_, _ = io.WriteString(w, "x")
		return
	case "/exit":
		runtime.Goexit()
	case "/abort":
		panic(http.ErrAbortHandler)
	case "/panic":
		panic("defect")
	}
	_, closedErr := r.Body.Read(make([]byte, 1))
	_, _ = fmt.Fprintln(w, r.Method, r.RequestURI, r.URL, r.Proto, r.Host, r.ContentLength, r.TransferEncoding, r.Close, r.TLS == nil, r.RemoteAddr != "", err, closedErr)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		_, _ = fmt.Fprintf(w, "%s: %q\n", name, r.Header[name])
	}
	_, _ = w.Write(body)
}

// via adds to each response whether it was served by the package, whose responses cannot be flushed.
func via(handler http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, flushes := w.(http.Flusher)
		w.Header().Set("X-Taken", fmt.Sprint(!flushes))
		handler(w, r)
	})
}

// taken reports whether a response that [via] has marked was sent by the package.
func (a answer) taken() bool { return a.header.Get("X-Taken") == "true" }

// greeting answers the first request of a test's connection itself.
func greeting(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// greet sends the first request of a connection.
func greet(c *client) *client {
	c.t.Helper()
	c.send(post("/first", "x"))
	c.receive()
	return c
}
