package client

import (
	"cmp"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// maxProblem bounds what is read of a refusal, in bytes; a server's own are a few hundred.
const maxProblem = 64 << 10

// ProblemError is a refusal: the server's answer with any status that is not a success, read as RFC 9457 writes it.
type ProblemError struct {
	Status     int           `json:"-"`
	Code       string        `json:"code"` // stable, for programs; "" where the answer was not Carillon's
	Title      string        `json:"title"`
	Detail     string        `json:"detail"`
	Field      string        `json:"field"` // what was wrong in the request, or ""
	Line       int           `json:"line"`  // of a batch, from 1; 0 for none
	RetryAfter time.Duration `json:"-"`     // how long the server asks to wait; zero says nothing
}

// Error is one line: status, code, and the most exact words there are.
func (p *ProblemError) Error() string {
	text := strconv.Itoa(p.Status)
	if p.Code != "" {
		text += " " + p.Code
	}
	return text + ": " + cmp.Or(p.Detail, p.Title, "no reason given")
}

// passes reports whether the same request may be welcome later.
func (p *ProblemError) passes() bool {
	return p.Status >= 500 || p.Status == http.StatusTooManyRequests || p.Status == http.StatusRequestTimeout
}

// problemOf reads a refusal. Its body stays open.
func problemOf(resp *http.Response) *ProblemError {
	p := &ProblemError{}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "application/problem+json" {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
		if err != nil || json.Unmarshal(body, p) != nil {
			p = &ProblemError{} // half an answer is told by its status alone
		}
	}
	p.Status = resp.StatusCode
	if seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 31); err == nil {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	if to, err := resp.Location(); err == nil && p.Status/100 == 3 {
		to.User, to.RawQuery, to.Fragment = nil, "", "" // where secrets may stand
		p.Detail = "redirected to " + to.String() + ", which is not followed"
	}
	return p
}
