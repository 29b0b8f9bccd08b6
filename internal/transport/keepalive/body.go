package keepalive

import (
	"io"
	"net/http"
)

// body is the body of a request (RFC 9112, 6.2).
type body struct {
	conn   *conn
	left   int64 // how much of it has not been read
	closed bool
}

// Read implements [io.Reader]. It returns io.EOF with the last bytes, and io.ErrUnexpectedEOF if the client sends fewer
// bytes than it announced.
func (b *body) Read(p []byte) (int, error) {
	switch {
	case b.closed:
		return 0, http.ErrBodyReadAfterClose
	case b.left == 0:
		return 0, io.EOF
	}
	n, err := b.read(p)
	if err == nil && b.left == 0 {
		err = io.EOF
	}
	return n, err
}

func (b *body) read(p []byte) (int, error) {
	n, err := b.conn.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err == io.EOF {
		b.left, err = 0, io.ErrUnexpectedEOF // nothing is left, and the connection ends once it is read again
	}
	return n, err
}

// Close implements [io.Closer].
func (b *body) Close() error {
	b.closed = true
	return nil
}

// buffered reports whether what is left of the body has arrived.
func (b *body) buffered() bool { return int64(b.conn.in.Buffered()) >= b.left }

// discard reads what the handler has left of the body, before its read deadline. It reports whether the next request
// follows.
func (b *body) discard() bool {
	if b.left >= maxUnread {
		return false
	}
	for b.left > 0 {
		n, err := b.conn.in.Discard(int(min(b.left, maxHead)))
		b.left -= int64(n)
		if err != nil {
			return false
		}
	}
	return true
}
