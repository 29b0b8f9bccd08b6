package keepalive

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"sync"
)

// parseHead returns the request whose head stands at the beginning of b, and the length of the head. It returns nil if
// the head is not complete, or not one of an ordinary request, which net/http shall read instead.
func parseHead(b []byte) (*http.Request, int) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 || !plainHead(b[:end]) {
		return nil, 0
	}
	end += len("\r\n\r\n")
	p := parsers.Get().(*parser)
	defer parsers.Put(p)
	p.text.Reset(b[:end])
	p.reader.Reset(&p.text)
	r, err := http.ReadRequest(p.reader)
	if err != nil {
		return nil, 0
	}
	return r, end
}

// parser reads a head from memory.
type parser struct {
	text   bytes.Reader
	reader *bufio.Reader
}

var parsers = sync.Pool{New: func() any { return &parser{reader: bufio.NewReaderSize(nil, maxHead)} }}

// plainHead reports whether a head, without its last two line ends, is one that all servers read in the same way, and
// that of an ordinary request: POST, HTTP/1.1, one Host, one Content-Length, and no field that says anything else about
// the connection or the body. It is stricter than the grammar (RFC 9112, 2 to 6), so that a mistake of a client never
// becomes a difference between this package and net/http.
func plainHead(b []byte) bool {
	line, rest, _ := bytes.Cut(b, []byte("\r\n"))
	target, ok := bytes.CutPrefix(line, []byte("POST "))
	if !ok {
		return false
	}
	if target, ok = bytes.CutSuffix(target, []byte(" HTTP/1.1")); !ok || len(target) == 0 || target[0] != '/' || !all(target, visible) {
		return false
	}
	hosts, lengths := 0, 0
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, found := bytes.Cut(line, []byte(":"))
		value = bytes.Trim(value, " ")
		if !found || len(name) == 0 || !all(name, tokenChar) || !all(value, textChar) {
			return false
		}
		switch strings.ToLower(string(name)) {
		case "host":
			hosts++
			if len(value) == 0 || !all(value, hostChar) {
				return false
			}
		case "content-length":
			lengths++
			if len(value) == 0 || len(value) > maxLengthDigits || !all(value, digit) {
				return false
			}
		case "connection":
			if !bytes.EqualFold(value, []byte("keep-alive")) {
				return false
			}
		case "transfer-encoding", "expect", "trailer", "upgrade":
			return false
		}
	}
	return hosts == 1 && lengths == 1
}

// maxLengthDigits bounds a Content-Length to less than a petabyte, so that it fits in an int64.
const maxLengthDigits = 15

func all(b []byte, allowed func(byte) bool) bool {
	for _, c := range b {
		if !allowed(c) {
			return false
		}
	}
	return true
}

func visible(c byte) bool  { return c > ' ' && c < 0x7f }
func textChar(c byte) bool { return c >= ' ' && c < 0x7f }
func digit(c byte) bool    { return c >= '0' && c <= '9' }
func letter(c byte) bool   { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func hostChar(c byte) bool { return letter(c) || digit(c) || strings.IndexByte(".-_:[]", c) >= 0 }

// tokenChar reports whether a field's name may have this character (RFC 9110, 5.6.2).
func tokenChar(c byte) bool {
	return letter(c) || digit(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
