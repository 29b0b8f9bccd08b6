package sse

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// conn is the sink of a taken-over connection. Its stream's shard owns it and its descriptor, alone, until Close; so no
// write can reach a descriptor that was closed and given out again. The poller knows it by a number that is never
// reused and only passes word to the shard.
type conn struct {
	fd     int
	ticket ticket
	coding coding
	server *Server
	stream *pubsub.Stream
	seen   Observer

	rest    []byte // what the socket has not taken yet: the end of a shared chunk, or a few control bytes
	head    int    // how much of it is the response's head, which is not counted
	failure error
	events  int64
	bytes   int64
}

// Send writes as many items as the socket takes, several in one call.
func (c *conn) Send(items []*pubsub.Item) (int, error) {
	if err := c.Flush(); err != nil || len(c.rest) > 0 {
		return 0, err
	}
	taken := 0
	for taken < len(items) && len(c.rest) == 0 {
		n, err := c.sendBatch(items[taken:])
		c.coding.took(items[taken : taken+n])
		taken += n
		c.events += int64(n)
		if err != nil {
			return taken, err
		}
		if n == 0 {
			break
		}
	}
	if taken < len(items) || len(c.rest) > 0 {
		c.server.taker.poller.awaitRoom(c)
	}
	return taken, nil
}

// sendBatch writes the first few items, at most the batch's bound in bytes but at least one, in one call. It answers
// how many it took; of the last of them a part may be left.
func (c *conn) sendBatch(items []*pubsub.Item) (int, error) {
	count, size := 0, 0
	for _, item := range items {
		chunk := c.coding.chunk(item)
		if len(chunk) == 0 {
			return 0, ErrUnencodable
		}
		size += len(chunk)
		if count > 0 && size > c.server.cfg.MaxBatchBytes {
			break
		}
		count++
	}
	items = items[:count]
	if count == 1 {
		chunk := c.coding.chunk(items[0])
		n, err := c.send(chunk)
		if n == 0 {
			return 0, err
		}
		c.rest = chunk[n:]
		return 1, err
	}
	n, err := c.server.batches.with(&c.coding, items, c.send)
	for i, item := range items {
		chunk := c.coding.chunk(item)
		if n < len(chunk) {
			if n > 0 {
				c.rest = chunk[n:]
				i++
			}
			return i, err
		}
		n -= len(chunk)
	}
	return count, err
}

// Heartbeat writes a heartbeat, unless the socket has not even taken the last bytes yet and there is nothing to tell.
func (c *conn) Heartbeat(at event.Position) error {
	if len(c.rest) > 0 && at.IsZero() {
		return nil
	}
	return c.control(AppendBeat(nil, at))
}

// Reset writes that events are missing.
func (c *conn) Reset(r pubsub.Reset) error {
	c.seen.Reset(r)
	return c.control(AppendReset(nil, r))
}

// control writes a frame of this stream's own behind whatever is left.
func (c *conn) control(frame []byte) error {
	// rest may be shared: clipping it makes appending copy.
	c.rest = appendChunk(slices.Clip(c.rest), c.coding.own(frame))
	return c.Flush()
}

// Close says farewell and closes the connection; where the socket is full, the poller sees to it for a while.
func (c *conn) Close(why pubsub.EndReason) {
	summary := Summary{Events: c.events, Reason: why}
	open := !lost(why)
	if open {
		c.rest = appendChunk(slices.Clip(c.rest), c.coding.close(c.server.farewell(why)))
		c.rest = append(c.rest, lastChunk...)
		open = c.writeLeft() == nil && len(c.rest) > 0
	}
	summary.Bytes = c.bytes
	if open {
		c.server.taker.poller.linger(c, c.server.cfg.WriteTimeout)
	} else {
		c.server.taker.poller.close(c)
	}
	c.server.tally.open[takenOver].Add(-1)
	c.seen.Ended(summary)
}

// RefineReason makes the reason of a broken connection exact.
func (c *conn) RefineReason(why pubsub.EndReason) pubsub.EndReason {
	if why != pubsub.EndFailed {
		return why
	}
	failure := c.failure
	if failure == nil {
		if code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && code != 0 {
			failure = unix.Errno(code)
		}
	}
	switch {
	case errors.Is(failure, unix.ETIMEDOUT):
		return pubsub.EndDead
	case errors.Is(failure, unix.ECONNRESET), errors.Is(failure, unix.EPIPE):
		return pubsub.EndGone
	}
	return why
}

// Flush writes what is left, and asks to be told when there is room for what still is.
func (c *conn) Flush() error {
	err := c.writeLeft()
	if err == nil && len(c.rest) > 0 {
		c.server.taker.poller.awaitRoom(c)
	}
	return err
}

// writeLeft writes what is left.
func (c *conn) writeLeft() error {
	if len(c.rest) == 0 {
		return nil
	}
	n, err := c.send(c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return err
}

// send writes what the socket takes without waiting.
func (c *conn) send(b []byte) (int, error) {
	for len(b) > 0 {
		n, err := sendNow(c.fd, b)
		switch {
		case err == nil:
			ofHead := min(n, c.head)
			c.head -= ofHead
			c.bytes += int64(n - ofHead)
			c.server.tally.bytes.Add(int64(n - ofHead))
			return n, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		default:
			c.failure = err
			return 0, err
		}
	}
	return 0, nil
}
