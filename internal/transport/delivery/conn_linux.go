package delivery

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// conn is the sink of a taken-over connection. Its stream's shard owns it and its descriptor, alone, until Close; so no
// write can reach a descriptor that was closed and reused. The poller refers to it by a [slotID], which is never
// reused, and only notifies the shard.
type conn struct {
	fd       int
	slot     slotID
	body     body
	observer Observer

	unsent     []byte // what the socket has not taken yet: the end of a shared chunk, or frames of this stream's own
	unsentHead int    // how much of it is the response's head, which is not counted
	failure    error
	events     int64
	bytes      int64
}

// Send writes as many items as the socket takes, several in one call.
func (c *conn) Send(items []*pubsub.Item) (int, error) {
	if err := c.Flush(); err != nil || len(c.unsent) > 0 {
		return 0, err
	}
	taken := 0
	for taken < len(items) && len(c.unsent) == 0 {
		n, err := c.sendBatch(items[taken:])
		c.body.add(items[taken : taken+n])
		taken += n
		c.events += int64(n)
		if err != nil {
			return taken, err
		}
		if n == 0 {
			break
		}
	}
	if taken < len(items) || len(c.unsent) > 0 {
		c.poller().notifyWritable(c)
	}
	return taken, nil
}

// Flush writes what is unsent, and asks to be notified when the socket takes more if some of it still is.
func (c *conn) Flush() error {
	err := c.writeUnsent()
	if err == nil && len(c.unsent) > 0 {
		c.poller().notifyWritable(c)
	}
	return err
}

// Heartbeat writes a heartbeat, unless the socket has not even taken the last bytes yet and there is no position to
// send.
func (c *conn) Heartbeat(at event.Position) error {
	if len(c.unsent) > 0 && at.IsZero() {
		return nil
	}
	return c.writeFrame(c.body.transport.codec.AppendHeartbeat(nil, at))
}

// Reset writes that events are missing.
func (c *conn) Reset(r pubsub.Reset) error {
	c.observer.Reset(r)
	return c.writeFrame(c.body.transport.codec.AppendReset(nil, r))
}

// writeFrame writes a frame of this stream's own behind whatever is unsent.
func (c *conn) writeFrame(frame []byte) error {
	// unsent may be shared: clipping it makes appending copy.
	c.unsent = appendChunk(slices.Clip(c.unsent), c.body.next(frame))
	return c.Flush()
}

// Close writes the goaway and closes the connection; where the socket is full, the poller finishes within the write
// timeout.
func (c *conn) Close(reason pubsub.EndReason) {
	summary := Summary{Events: c.events, Reason: reason}
	open := !isLost(reason)
	if open {
		c.unsent = appendChunk(slices.Clip(c.unsent), c.body.last(c.body.transport.Goaway(reason)))
		c.unsent = append(c.unsent, lastChunk...)
		open = c.writeUnsent() == nil && len(c.unsent) > 0
	}
	summary.Bytes = c.bytes
	if open {
		c.poller().closeWhenSent(c, c.server().cfg.WriteTimeout)
	} else {
		c.poller().close(c)
	}
	c.body.transport.counters.open[takenOver].Add(-1)
	c.observer.Ended(summary)
}

// RefineReason makes the reason of a broken connection exact.
func (c *conn) RefineReason(reason pubsub.EndReason) pubsub.EndReason {
	if reason != pubsub.EndFailed {
		return reason
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
	return reason
}

func (c *conn) server() *Server { return c.body.transport.server }

func (c *conn) poller() *poller { return c.server().handover.poller }
