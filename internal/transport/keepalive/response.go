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
// request.
type response struct {
	conn    *conn
	header  http.Header
	status  int          // 0 before WriteHeader
	out     bytes.Buffer // what is to be sent
	body    []byte
	untyped bool      // the server is to find the body's Content-Type
	close   bool      // the handler asked for the end of the connection
	writeBy time.Time // the handler's write deadline
	armed   bool      // the connection has one
}

// reset prepares the response to another request.
func (w *response) reset() {
	clear(w.header)
	w.status, w.untyped, w.close, w.writeBy = 0, false, false, time.Time{}
	w.out.Reset()
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

// WriteHeader implements [http.ResponseWriter]. Further calls do nothing, and neither do later changes of the header.
func (w *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status)) // as net/http
	}
	if w.status == 0 && status >= 200 {
		w.status = status
		w.encodeHead()
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
	if w.conn.body.arrived() {
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
	if w.armed || !w.writeBy.IsZero() {
		w.armed = !w.writeBy.IsZero()
		if err := w.conn.net.SetWriteDeadline(w.writeBy); err != nil {
			return err
		}
	}
	w.encodeRest(closing)
	_, err := w.conn.net.Write(w.out.Bytes())
	if w.out.Cap() > maxKept {
		w.out = bytes.Buffer{}
	}
	return err
}

// The fields that the server sets itself, and those that it does not send with 304 (RFC 9110, 15.4.5).
var (
	fromServer    = map[string]bool{"Connection": true, "Content-Length": true, "Transfer-Encoding": true}
	fromServer304 = map[string]bool{"Connection": true, "Content-Length": true, "Transfer-Encoding": true, "Content-Type": true}
)

// encodeHead writes the response's status and fields to out as net/http does (RFC 9112, 2.1 and 4). The order of the
// fields is also the same.
func (w *response) encodeHead() {
	out := &w.out
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
	excluded := fromServer
	if w.status == http.StatusNotModified {
		excluded = fromServer304
	}
	_ = w.header.WriteSubset(out, excluded) // writing to a buffer cannot fail
	if _, given := w.header["Date"]; !given {
		out.WriteString("Date: ")
		out.Write(time.Now().UTC().AppendFormat(out.AvailableBuffer(), http.TimeFormat))
		out.WriteString("\r\n")
	}
	_, typed := w.header["Content-Type"]
	w.untyped = !typed && w.header.Get("Content-Encoding") == ""
	w.close = w.wantsClose()
}

// encodeRest writes the fields that depend on the body, and the body.
func (w *response) encodeRest(closing bool) {
	out := &w.out
	if w.hasBody() {
		out.WriteString("Content-Length: ")
		out.Write(strconv.AppendInt(out.AvailableBuffer(), int64(len(w.body)), 10))
		out.WriteString("\r\n")
		if w.untyped && len(w.body) > 0 {
			out.WriteString("Content-Type: " + http.DetectContentType(w.body) + "\r\n")
		}
	}
	if closing {
		out.WriteString("Connection: close\r\n")
	}
	out.WriteString("\r\n")
	out.Write(w.body)
}
