package client

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"carillon/internal/problem"
)

// ProblemError is a response whose status is not a success, with the error document that it carries (RFC 9457).
type ProblemError struct {
	Status     int
	Code       string // stable, for programs; "" if the response is not Carillon's
	Title      string
	Detail     string
	Field      string        // the invalid field of the request, or ""
	Line       int           // the invalid line of a batch, from 1; 0 is none
	RetryAfter time.Duration // how long the server asks to wait; zero is unset
}

// Error is one line: status, code, and the most exact text there is.
func (p *ProblemError) Error() string {
	text := strconv.Itoa(p.Status)
	if p.Code != "" {
		text += " " + p.Code
	}
	return text + ": " + cmp.Or(p.Detail, p.Title, "no reason given")
}

// passes reports whether the same request may succeed later.
func (p *ProblemError) passes() bool {
	return p.Status >= 500 || p.Status == http.StatusTooManyRequests || p.Status == http.StatusRequestTimeout
}

// problemOf returns the error of a response without success. The body stays open.
func problemOf(resp *http.Response) *ProblemError {
	d, _ := problem.Read(resp) // a response that is not a complete document still has its status
	p := &ProblemError{
		Status: d.Status, Code: d.Code, Title: d.Title, Detail: d.Detail, Field: d.Field, Line: d.Line, RetryAfter: d.RetryAfter,
	}
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	if to, err := resp.Location(); err == nil && p.Status/100 == 3 {
		to.User, to.RawQuery, to.Fragment = nil, "", "" // which may contain secrets
		p.Detail = "redirected to " + to.String() + ", which is not followed"
	}
	return p
}
