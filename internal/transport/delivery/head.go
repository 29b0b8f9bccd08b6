package delivery

import (
	"bytes"
	"net/http"
	"time"
)

// responseHead returns a response's head as net/http would have written it (RFC 9112, 4).
func responseHead(header http.Header) []byte {
	var b bytes.Buffer
	b.Grow(1024) // the opening will be appended
	b.WriteString("HTTP/1.1 200 OK\r\n")
	_ = header.Write(&b) // writing to a buffer cannot fail
	b.WriteString("Date: ")
	b.WriteString(time.Now().UTC().Format(http.TimeFormat))
	b.WriteString("\r\nTransfer-Encoding: chunked\r\n\r\n")
	return b.Bytes()
}
