package delivery

import (
	"errors"

	"golang.org/x/sys/unix"

	"carillon/internal/app/pubsub"
	"carillon/internal/transport/tcpconn"
)

// sendBatch writes the first few items in one call, at most the batch's limit in bytes but at least one item. It returns
// how many it took; a part of the last one may be unsent.
func (c *conn) sendBatch(items []*pubsub.Item) (int, error) {
	b := c.server().batches.get()
	defer c.server().batches.put(b)
	size := 0
	for _, item := range items {
		chunk := c.body.chunk(item)
		if len(chunk) == 0 {
			return 0, errUnencodable
		}
		size += len(chunk)
		if len(b.chunks) > 0 && size > c.server().cfg.MaxBatchBytes {
			break
		}
		b.chunks = append(b.chunks, chunk)
	}
	n, err := c.write(b.content())
	for i, chunk := range b.chunks {
		if n < len(chunk) {
			if n > 0 {
				c.unsent = chunk[n:]
				i++
			}
			return i, err
		}
		n -= len(chunk)
	}
	return len(b.chunks), err
}

// writeUnsent writes what is unsent, as far as the socket takes it.
func (c *conn) writeUnsent() error {
	if len(c.unsent) == 0 {
		return nil
	}
	n, err := c.write(c.unsent)
	if c.unsent = c.unsent[n:]; len(c.unsent) == 0 {
		c.unsent = nil
	}
	return err
}

// write writes what the socket takes without waiting, and counts it.
func (c *conn) write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := tcpconn.Send(c.fd, b)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return 0, nil
	case err != nil:
		c.failure = err
		return 0, err
	}
	ofHead := min(n, c.unsentHead)
	c.unsentHead -= ofHead
	c.bytes += int64(n - ofHead)
	c.body.transport.counters.bytes.Add(int64(n - ofHead))
	return n, nil
}
