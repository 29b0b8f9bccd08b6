package doctor

import (
	"encoding/json"
	"mime"
	"net/http"
)

// problemCode returns the code of a problem document (RFC 9457) as Carillon writes it, or "".
func (r *reply) problemCode() string {
	if r == nil || mediaType(r.header) != "application/problem+json" {
		return ""
	}
	var document struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(r.body, &document) != nil {
		return ""
	}
	return document.Code
}

// problem reports whether a reply is Carillon's refusal with a code.
func (r *reply) problem(code string) bool { return r.problemCode() == code && code != "" }

// carillonProblem reports whether a reply is any refusal of Carillon.
func (r *reply) carillonProblem() bool { return r.problemCode() != "" }

// isStream reports whether a response is an event stream.
func isStream(resp *http.Response) bool {
	return resp.StatusCode == http.StatusOK && mediaType(resp.Header) == "text/event-stream"
}

func mediaType(h http.Header) string {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}
