package natslog_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// collector follows a log as the engine does: when the log is unavailable, it goes on after the last entry.
type collector struct {
	mu      sync.Mutex
	last    uint64
	entries []event.Entry
	gaps    uint64 // entries that were trimmed before they came
	ended   chan error
}

// collect follows until the test ends, or until the log is another one. Each call of the log is preceded by a call of
// before, if there is one.
func collect(t *testing.T, log pubsub.Log, before func()) *collector {
	t.Helper()
	c := &collector{ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	epoch := log.Extent().Epoch
	var running sync.WaitGroup
	running.Go(func() {
		for {
			err := log.Follow(ctx, event.Position{Epoch: epoch, Offset: c.newest()}, func(after uint64, entries []event.Entry) {
				if before != nil {
					before()
				}
				c.take(t, after, entries)
			})
			if !errors.Is(err, pubsub.ErrUnavailable) {
				c.ended <- err
				return
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return c
}

func (c *collector) take(t *testing.T, after uint64, entries []event.Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	assert.GreaterOrEqual(t, after, c.last)
	c.gaps += after - c.last
	c.last = after
	for _, e := range entries {
		assert.Equal(t, c.last+1, e.Position.Offset, "no gap within a call")
		if n := len(c.entries); n > 0 {
			assert.False(t, e.Time.Before(c.entries[n-1].Time), "times do not run backwards")
		}
		c.last = e.Position.Offset
		c.entries = append(c.entries, e)
	}
}

func (c *collector) newest() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func (c *collector) got() []event.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]event.Entry(nil), c.entries...)
}

// upTo waits until an offset has come or was told as trimmed.
func (c *collector) upTo(t *testing.T, offset uint64) []event.Entry {
	t.Helper()
	require.Eventually(t, func() bool { return c.newest() >= offset }, time.Minute, 5*time.Millisecond, "offset %d", offset)
	return c.got()
}

// wire passes bytes between a client and a server, and can hold back those of the server.
type wire struct {
	listener net.Listener
	running  sync.WaitGroup

	mu   sync.Mutex
	open []net.Conn
	held chan struct{} // closed while nothing is held back
}

func newWire(t *testing.T, server string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{listener: listener, held: make(chan struct{})}
	close(w.held)
	w.running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			w.mu.Lock()
			w.open = append(w.open, client, upstream)
			w.mu.Unlock()
			w.running.Go(func() { _, _ = io.Copy(upstream, client); _ = upstream.Close() })
			w.running.Go(func() { w.back(client, upstream) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		w.release()
		w.mu.Lock()
		for _, c := range w.open {
			_ = c.Close()
		}
		w.mu.Unlock()
		w.running.Wait()
	})
	return w
}

func (w *wire) back(client, upstream net.Conn) {
	defer client.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := upstream.Read(buffer)
		if err != nil {
			return
		}
		w.mu.Lock()
		held := w.held
		w.mu.Unlock()
		<-held
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (w *wire) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = make(chan struct{})
}

func (w *wire) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.held:
	default:
		close(w.held)
	}
}
