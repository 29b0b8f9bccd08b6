// Package logging writes log records asynchronously: whoever logs is never held up by the reader of the output.
//
// Each record is encoded at the time of the call, appended to a queue of a fixed size and written by one goroutine. A
// record that does not fit is dropped and counted. Once writing goes on, a record reports how many were dropped.
package logging

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// maxQueued is the size of the queue in bytes, about 4000 records. As much again can be in the hands of the writer.
	maxQueued = 1 << 20
	// batchDelay is how long the goroutine waits after each write, so that a busy server makes one system call for many
	// records, and a record rarely has to wake the goroutine. With 10 ms, the wake-ups cost a tenth of what 200 streams
	// with 50 events a second cost.
	batchDelay = 100 * time.Millisecond
	// urgentBytes in the queue end the delay early.
	urgentBytes = maxQueued / 4
	// maxSpare is how much memory an empty queue keeps for the next records.
	maxSpare = 64 << 10
	// syncTimeout is how long a core's Sync waits for the output at most.
	syncTimeout = time.Second
)

// Queue holds encoded log records until its goroutine writes them. Its methods may be called concurrently.
type Queue struct {
	out     io.Writer
	encoder zapcore.Encoder
	dropped atomic.Uint64
	wake    chan struct{} // the queue is no longer empty
	urgent  chan struct{} // the queue must be written without delay
	done    chan struct{} // closed when the goroutine has ended

	mu         sync.Mutex
	pending    []byte          // whole records
	records    int             // in pending
	unreported int             // records dropped since the last report
	syncs      []chan struct{} // closed once what was queued before is written
	closed     bool
}

// Start starts the goroutine that writes records to out; [Queue.Close] ends it.
func Start(out io.Writer, encoder zapcore.Encoder) *Queue {
	q := &Queue{
		out: out, encoder: encoder,
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go q.run()
	return q
}

// Dropped returns how many records were dropped since the start.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Close writes what is queued and ends the goroutine. If the output does not take all of it until ctx ends, Close returns
// an error and leaves the goroutine in its write. Later records are dropped.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	notify(q.wake)
	notify(q.urgent)
	select {
	case <-q.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("log records could not be written: %w", ctx.Err())
	}
}

// add appends a record to the queue, or drops it. An urgent record is written without delay. It does not keep the slice.
func (q *Queue) add(record []byte, urgent bool) {
	q.mu.Lock()
	if q.closed || len(q.pending)+len(record) > maxQueued {
		q.unreported++
		q.mu.Unlock()
		q.dropped.Add(1)
		return
	}
	first := len(q.pending) == 0
	q.pending = append(q.pending, record...)
	q.records++
	urgent = urgent || len(q.pending) >= urgentBytes
	q.mu.Unlock()
	if first {
		notify(q.wake)
	}
	if urgent {
		notify(q.urgent)
	}
}

// sync waits until what is queued has been written, at most for syncTimeout.
func (q *Queue) sync() error {
	written := make(chan struct{})
	q.mu.Lock()
	q.syncs = append(q.syncs, written)
	q.mu.Unlock()
	notify(q.wake)
	notify(q.urgent)
	timeout := time.NewTimer(syncTimeout)
	defer timeout.Stop()
	select {
	case <-written:
	case <-q.done:
	case <-timeout.C:
		return fmt.Errorf("log records could not be written within %s", syncTimeout)
	}
	return nil
}

// run writes what is queued until the queue is closed and empty.
func (q *Queue) run() {
	defer close(q.done)
	delay := time.NewTimer(batchDelay)
	defer delay.Stop()
	var spare []byte
	for {
		<-q.wake
		for {
			b := q.take(spare)
			q.write(b)
			if cap(b.records) <= maxSpare {
				spare = b.records[:0]
			} else {
				spare = nil
			}
			if len(b.records) == 0 {
				if b.closed {
					return
				}
				break
			}
			delay.Reset(batchDelay)
			select {
			case <-delay.C:
			case <-q.urgent:
			}
		}
	}
}

// batch is what the goroutine writes at once.
type batch struct {
	records []byte
	count   int
	dropped int // records dropped after these
	syncs   []chan struct{}
	closed  bool
}

// take empties the queue, which continues with the memory of empty.
func (q *Queue) take(empty []byte) batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := batch{q.pending, q.records, q.unreported, q.syncs, q.closed}
	q.pending, q.records, q.unreported, q.syncs = empty, 0, 0, nil
	return b
}

// write writes a batch, and after it a report of the records that were dropped, if any. Records that could not be written
// count as dropped.
func (q *Queue) write(b batch) {
	if len(b.records) > 0 {
		if _, err := q.out.Write(b.records); err != nil {
			q.dropped.Add(uint64(b.count))
			b.dropped += b.count
			q.reportLater(b.dropped)
			b.dropped = 0
		}
	}
	if b.dropped > 0 && q.report(b.dropped) != nil {
		q.reportLater(b.dropped)
	}
	for _, written := range b.syncs {
		close(written)
	}
}

func (q *Queue) report(dropped int) error {
	entry := zapcore.Entry{Level: zapcore.WarnLevel, Time: time.Now(), LoggerName: "logging", Message: "log records dropped"}
	record, err := q.encoder.EncodeEntry(entry, []zapcore.Field{zap.Int("count", dropped)})
	if err != nil {
		return err
	}
	defer record.Free()
	_, err = q.out.Write(record.Bytes())
	return err
}

// reportLater adds to the records that the next report counts.
func (q *Queue) reportLater(dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unreported += dropped
}

// notify makes a signal pending, if it is not yet.
func notify(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}
