package keepalive

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxKept is the largest buffer that a connection keeps for its next response, in bytes.
const maxKept = 4096

// response is the response to a request. It is collected and sent at once, and then reused for the connection's next
// request. Informational responses (1xx) are not sent.
type response struct {
	conn    *conn
	header  http.Header
	status  int // 0 before WriteHeader
	body    []byte
	out     bytes.Buffer
	writeBy time.Time // the handler's write deadline
	armed   bool      // the connection has one
}

// reset prepares the response to another request.
func (w *response) reset() {
	clear(w.header)
	w.status, w.writeBy = 0, time.Time{}
	w.body = kept(w.body)
}

// kept returns an empty slice with the memory of b, unless that is large.
func kept(b []byte) []byte {
	if cap(b) > maxKept {
		return nil
	}
	return b[:0]
}

// Header implements [http.ResponseWriter].
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter]. Further calls do nothing.
func (w *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status)) // as net/http
	}
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}

// Write implements [http.ResponseWriter].
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.hasBody() {
		return 0, http.ErrBodyNotAllowed
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

// SetReadDeadline bounds the time in which the request's body must arrive; see [http.ResponseController].
func (w *response) SetReadDeadline(t time.Time) error {
	if w.conn.body.buffered() {
		return nil // it has arrived
	}
	return w.conn.net.SetReadDeadline(t)
}

// SetWriteDeadline bounds the time in which the client must take the response; see [http.ResponseController].
func (w *response) SetWriteDeadline(t time.Time) error {
	w.writeBy = t
	return nil
}

// hasBody reports whether a response with this status may have a body (RFC 9110, 6.4.1).
func (w *response) hasBody() bool {
	return w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// wantsClose reports whether the handler asked for the end of the connection.
func (w *response) wantsClose() bool {
	for _, value := range w.header["Connection"] {
		for option := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(option), "close") {
				return true
			}
		}
	}
	return false
}

// send sends the response. closing tells the client that it is the last one on this connection.
func (w *response) send(closing bool) error {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.armed || !w.writeBy.IsZero() {
		w.armed = !w.writeBy.IsZero()
		if err := w.conn.net.SetWriteDeadline(w.writeBy); err != nil {
			return err
		}
	}
	w.encode(closing)
	_, err := w.conn.net.Write(w.out.Bytes())
	if w.out.Cap() > maxKept {
		w.out = bytes.Buffer{}
	}
	return err
}

// fromServer are the fields that the server sets itself.
var fromServer = map[string]bool{"Connection": true, "Content-Length": true, "Transfer-Encoding": true}

// encode writes the response to out as net/http does (RFC 9112, 2.1). The order of the fields is also the same.
func (w *response) encode(closing bool) {
	out := &w.out
	out.Reset()
	out.WriteString("HTTP/1.1 ")
	out.Write(strconv.AppendInt(out.AvailableBuffer(), int64(w.status), 10))
	out.WriteByte(' ')
	if text := http.StatusText(w.status); text != "" {
		out.WriteString(text)
	} else {
		out.WriteString("status code ")
		out.Write(strconv.AppendInt(out.AvailableBuffer(), int64(w.status), 10))
	}
	out.WriteString("\r\n")
	_ = w.header.WriteSubset(out, fromServer) // writing to a buffer cannot fail
	if _, given := w.header["Date"]; !given {
		out.WriteString("Date: ")
		out.Write(time.Now().UTC().AppendFormat(out.AvailableBuffer(), http.TimeFormat))
		out.WriteString("\r\n")
	}
	if w.hasBody() {
		out.WriteString("Content-Length: ")
		out.Write(strconv.AppendInt(out.AvailableBuffer(), int64(len(w.body)), 10))
		out.WriteString("\r\n")
		if _, given := w.header["Content-Type"]; !given && len(w.body) > 0 && w.header.Get("Content-Encoding") == "" {
			out.WriteString("Content-Type: " + http.DetectContentType(w.body) + "\r\n")
		}
	}
	if closing {
		out.WriteString("Connection: close\r\n")
	}
	out.WriteString("\r\n")
	out.Write(w.body)
}
