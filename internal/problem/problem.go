// Package problem is the error document of Carillon's HTTP interfaces: application/problem+json (RFC 9457). Servers
// write it and the client reads it.
package problem

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// MediaType is the media type of a [Document].
const MediaType = "application/problem+json"

// maxBytes bounds what [Read] reads of a body; a document of this server has a few hundred bytes.
const maxBytes = 64 << 10

// Document describes a failed request. Code is stable, so programs may match on it; Title and Detail are for people.
type Document struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
	Field  string `json:"field,omitempty"` // the invalid field of the request
	Line   int    `json:"line,omitempty"`  // the invalid line of a batch, from 1

	RetryAfter time.Duration `json:"-"` // carried in a header, in whole seconds; zero is unset
}

// New returns a document without details. Its type is "about:blank": the code identifies the problem.
func New(status int, code, title string) Document {
	return Document{Type: "about:blank", Status: status, Code: code, Title: title}
}

// Internal returns the document for an error that has no row in a server's table.
func Internal() Document {
	return New(http.StatusInternalServerError, "internal", "Something went wrong")
}

// Write sends the document as the response.
func (d Document) Write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", MediaType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if d.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if d.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int((d.RetryAfter+time.Second-1)/time.Second))))
	}
	w.WriteHeader(d.Status)
	// An error means that the client has left, and then nobody reads the document.
	_ = json.NewEncoder(w).Encode(d)
}

// errMediaType reports a response whose body is not a document.
var errMediaType = errors.New("response is not " + MediaType)

// Read returns the document in a response. Status and RetryAfter come from the response itself and are set even if an
// error is returned, which happens if the body is not a complete document. The body stays open.
func Read(resp *http.Response) (Document, error) {
	var d Document
	err := d.decode(resp)
	if err != nil {
		d = Document{}
	}
	d.Status = resp.StatusCode
	if seconds, parseErr := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 31); parseErr == nil {
		d.RetryAfter = time.Duration(seconds) * time.Second
	}
	return d, err
}

func (d *Document) decode(resp *http.Response) error {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if mediaType != MediaType {
		return errMediaType
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBytes))
	if err != nil {
		return err
	}
	return json.Unmarshal(body, d)
}
