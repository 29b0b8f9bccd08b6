package loadgen

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// requestTemplate is a publish request, prepared so that the load generator spends little on each event: what is the same
// in all requests is formatted once. It is not changed after newRequestTemplate and may be used by several publishers.
type requestTemplate struct {
	line   []part // the request line and Host, up to the value of Content-Length
	header string // from behind that value to the end of the head
	body   []part
}

// part is a piece of a request.
type part struct {
	kind partKind
	text string // of a partText
}

type partKind uint8

const (
	partText  partKind = iota
	partStamp          // a stamp
	partTopic          // the number of the topic
)

// placeholdersOf are the placeholders of the path and of the body.
var (
	placeholdersOfPath = regexp.MustCompile(`\{n\}`)
	placeholdersOfBody = regexp.MustCompile(`\{(?:n|stamp|pad)\}`)
)

func newRequestTemplate(cfg Config) *requestTemplate {
	var header strings.Builder
	_ = cfg.PublishHeader.Write(&header) // writing to a builder does not fail
	t := &requestTemplate{
		header: "\r\n" + header.String() + "\r\n",
		body:   partsOf(cfg.Body, placeholdersOfBody, strings.Repeat("x", cfg.Size)),
	}
	t.line = append(t.line, part{text: cfg.PublishMethod + " "})
	t.line = append(t.line, partsOf(cfg.PublishPath, placeholdersOfPath, "")...)
	t.line = append(t.line, part{text: " HTTP/1.1\r\nHost: " + cfg.URL.Host + "\r\nContent-Length: "})
	return t
}

// partsOf splits a text at its placeholders. {pad} becomes the padding.
func partsOf(text string, placeholders *regexp.Regexp, padding string) (parts []part) {
	at := 0
	for _, found := range placeholders.FindAllStringIndex(text, -1) {
		parts = append(parts, part{text: text[at:found[0]]})
		at = found[1]
		switch text[found[0]:found[1]] {
		case stampPlaceholder:
			parts = append(parts, part{kind: partStamp})
		case "{n}":
			parts = append(parts, part{kind: partTopic})
		default:
			parts = append(parts, part{text: padding})
		}
	}
	return append(parts, part{text: text[at:]})
}

// append appends the request for an event of a topic that was due at a time.
func (t *requestTemplate) append(b []byte, topic int, due time.Time) []byte {
	var number, stamp [32]byte
	n, s := strconv.AppendInt(number[:0], int64(topic), 10), appendStamp(stamp[:0], due)
	length := 0
	for _, p := range t.body {
		length += p.length(n, s)
	}
	b = appendParts(b, t.line, n, s)
	b = strconv.AppendInt(b, int64(length), 10)
	b = append(b, t.header...)
	return appendParts(b, t.body, n, s)
}

func (p part) length(number, stamp []byte) int {
	switch p.kind {
	case partStamp:
		return len(stamp)
	case partTopic:
		return len(number)
	case partText:
	}
	return len(p.text)
}

func appendParts(b []byte, parts []part, number, stamp []byte) []byte {
	for _, p := range parts {
		switch p.kind {
		case partStamp:
			b = append(b, stamp...)
		case partTopic:
			b = append(b, number...)
		default:
			b = append(b, p.text...)
		}
	}
	return b
}
