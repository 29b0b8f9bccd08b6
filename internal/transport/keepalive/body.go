package keepalive

import (
	"bufio"
	"io"
	"net/http"
	"sync"
)

// body is the body of a request (RFC 9112, 6.2). A goroutine that a handler has left behind, as that of
// [http.TimeoutHandler] may, cannot read beyond it, nor after the response was sent.
type body struct {
	mu     sync.Mutex // held while reading; guards everything below, and the reader until the body is closed
	in     *bufio.Reader
	left   int64 // how much of it has not been read
	closed bool
	lost   func() // ends the request's context, as net/http does when the connection can no longer be read
}

// Read implements [io.Reader]. It returns io.EOF with the last bytes, and io.ErrUnexpectedEOF if the client sends fewer
// bytes than it announced.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
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
	n, err := b.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err == io.EOF {
		b.left, err = 0, io.ErrUnexpectedEOF // nothing is left, and the connection ends once it is read again
	}
	if err != nil {
		b.lost()
	}
	return n, err
}

// Close implements [io.Closer]. It waits for a Read in progress.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// arrived reports whether what is left of the body need not be waited for. A Read in progress may wait.
func (b *body) arrived() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	return int64(b.in.Buffered()) >= b.left
}

// discard reads what the handler has left of the body, before its read deadline, and closes it. It reports whether the
// next request follows.
func (b *body) discard() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.left >= maxUnread {
		return false
	}
	for b.left > 0 {
		n, err := b.in.Discard(int(min(b.left, maxHead)))
		b.left -= int64(n)
		if err != nil {
			return false
		}
	}
	return true
}
