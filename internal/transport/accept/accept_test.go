package accept_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"carillon/internal/transport/accept"
)

func TestMedia(t *testing.T) {
	const sse, lines, poll = "text/event-stream", "application/x-ndjson", "application/json"
	for header, want := range map[string]string{
		"":                                    sse,
		"*/*":                                 sse,
		"*":                                   sse,
		sse:                                   sse,
		lines:                                 lines,
		poll:                                  poll,
		"Application/X-NDJSON":                lines,
		"application/*":                       lines,
		"application/*, " + poll:              poll, // named before covered
		"*/*, " + poll:                        poll,
		"application/json, text/plain, */*":   poll,
		"application/json, text/event-stream": sse, // both named: the server's order
		"application/json;q=0.9, text/event-stream;q=0.8":                   poll,
		"application/json;q=0.8,text/event-stream;q=0.9":                    sse,
		"text/event-stream;q=0, */*":                                        lines, // the most exact range counts
		"text/event-stream;q=0.1, */*;q=0.2":                                lines,
		"text/*;q=0, */*;q=0.5":                                             lines,
		"text/html, application/xhtml+xml, application/xml;q=0.9,*/*;q=0.8": sse, // a browser's address bar
		"text/html":                  "",
		"text/event-stream;q=0":      "",
		"*/*;q=0":                    "",
		"text/event-stream; Q=0.000": "",
		"text/event-stream;charset=utf-8;q=0.5, application/json;q=0.4":    sse,
		`text/html;title="a,b;q=1", application/x-ndjson`:                  lines, // separators within quotes
		`text/html;title="a\",application/json;q=1", application/x-ndjson`: lines,
		" , ,\tapplication/json ,":                                         poll,
		"application/json;q=2, text/event-stream;q=0.1":                    sse, // what does not follow the grammar is left out
		"application/json;q=nan, text/event-stream;q=0.1":                  sse,
		"application/json;q=, text/event-stream;q=0.1":                     sse,
		"application/json;nonsense":                                        sse, // no valid element
		";;;":                                                              sse,
	} {
		var values []string
		if header != "" {
			values = []string{header}
		}
		got, ok := accept.Media(values, sse, lines, poll)
		assert.Equal(t, want, got, header)
		assert.Equal(t, want != "", ok, header)
	}
	got, _ := accept.Media([]string{"text/html", "application/json"}, sse, poll)
	assert.Equal(t, poll, got, "several lines are one list")
}

func TestNames(t *testing.T) {
	const sse = "text/event-stream"
	assert.True(t, accept.Names([]string{"text/html, Text/Event-Stream;q=0.1"}, sse))
	for _, header := range []string{"", "*/*", "text/*", "text/event-stream;q=0", "text/event-streams"} {
		assert.False(t, accept.Names([]string{header}, sse), header)
	}
}

func TestEncoding(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "deflate, gzip;q=0.5": true, "gzip;q=0": false, "*": true, "*;q=0": false, "gzip;q=0, *": false,
		"*, gzip;q=0": false, "br": false, "identity": false, "*;q=0, gzip": true, "gzip ; q=0.1": true, "gzip;q=x": false,
	} {
		assert.Equal(t, want, accept.Encoding([]string{header}, "gzip"), header)
	}
	assert.False(t, accept.Encoding(nil, "gzip"))
}

func FuzzMedia(f *testing.F) {
	f.Add(`text/html;title="a,b;q=1", application/x-ndjson;q=0.5`)
	f.Add(`"\`)
	f.Fuzz(func(t *testing.T, header string) {
		got, ok := accept.Media([]string{header}, "a/b", "c/d")
		assert.Equal(t, ok, got != "")
		accept.Encoding([]string{header}, "gzip")
	})
}
