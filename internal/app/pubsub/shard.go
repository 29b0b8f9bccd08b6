package pubsub

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"carillon/internal/domain/event"
)

const (
	// shortWait is a wait so short that more work is likely to come at once. A goroutine that is woken is the next one
	// that Go runs, which under load would mean a walk, and a write to each stream, for nearly every event.
	shortWait = 500 * time.Microsecond
	// fullWalk is how many new items are enough for a walk: with so many the shard does not wait for more.
	fullWalk = 64
	// timeSlice is how long a busy shard works before it lets other goroutines run. On a busy machine it can take much
	// longer than that until the shard runs again, so a slice must not be too short.
	timeSlice = 5 * time.Millisecond
)

// shard owns a share of the streams. Everything but its inbox belongs to who holds the owner lock: the goroutine in run
// while it works, and the receiver of entries for a small walk while that goroutine waits.
type shard struct {
	engine *Engine
	wakeup chan struct{} // signalled when there may be something to do

	owner        sync.Mutex // taken before mu; the receiver only tries to take it
	waiting      bool       // the goroutine in run is in wait
	smallWalking bool       // the receiver walks
	broken       string     // why the walk of a receiver panicked

	mu         sync.Mutex // guards inbox, stopped and the queue of the reader
	inbox      []message
	spareInbox []message // swapped with inbox by receive
	stopped    bool

	epoch      event.Epoch // of the log that the shard delivers
	generation uint64      // of that log: it grows when the log is replaced

	cursor   uint64        // live streams have been given everything up to this offset
	progress atomic.Uint64 // a recent value of cursor, for publishers
	index    index
	streams  []*Stream // every stream of the shard
	lagging  []*Stream // queue of streams that catch up
	batch    batch
	backlog  backlog
	reader   *reader
	wheel    wheel
	drain    drain
}

func newShard(e *Engine, at event.Position) *shard {
	s := &shard{engine: e, wakeup: make(chan struct{}, 1), epoch: at.Epoch, cursor: at.Offset, index: newIndex()}
	s.progress.Store(at.Offset)
	s.reader = newReader(e.history, s)
	return s
}

// run serves the streams until the context ends, then ends the remaining ones. It holds the owner lock except in wait.
func (s *shard) run(ctx context.Context) {
	s.owner.Lock()
	defer s.owner.Unlock()
	var reading sync.WaitGroup
	reading.Go(func() { s.reader.run(ctx) })
	s.wheel = newWheel(s.engine.cfg.Heartbeat, time.Now())
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for sliceStart := time.Now(); ctx.Err() == nil; {
		now := time.Now()
		s.wheel.advance(now, s.onTimer)
		s.receive()
		walked := s.walk()
		s.progress.Store(s.cursor)
		s.drain.endDue(now, s) // after the walk: a stream that ends has been given what was published before
		if s.catchUp() || walked {
			if s.idle() || now.Sub(sliceStart) > timeSlice {
				runtime.Gosched()
				sliceStart = time.Now()
			}
			continue
		}
		s.wait(ctx, timer)
		sliceStart = time.Now()
	}
	reading.Wait()
	s.mu.Lock()
	s.stopped = true // post refuses messages from here on
	s.mu.Unlock()
	s.receive()
	for len(s.streams) > 0 {
		s.end(s.streams[len(s.streams)-1], EndDrain)
	}
}

// wait returns when there may be something to do. Meanwhile the owner lock is free.
func (s *shard) wait(ctx context.Context, timer *time.Timer) {
	if next, ok := s.deadline(); ok {
		timer.Reset(time.Until(next))
	} else {
		timer.Reset(time.Hour)
	}
	start := time.Now()
	s.waiting = true
	s.owner.Unlock()
	select {
	case <-s.wakeup:
	case <-timer.C:
	case <-ctx.Done():
	}
	s.owner.Lock()
	s.waiting = false
	if s.broken != "" {
		panic(s.broken)
	}
	if time.Since(start) < shortWait && s.idle() {
		runtime.Gosched() // publishers that are ready to run go first, and what they publish is written together
	}
}

// idle reports whether there is nothing to do except, perhaps, to walk a few new items.
func (s *shard) idle() bool {
	if len(s.lagging) > 0 || s.reader.pending > 0 || s.engine.newest.Load() >= s.cursor+fullWalk {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.inbox) == 0
}

// deadline returns when the shard has something to do even if nothing wakes it. It reports false without streams.
func (s *shard) deadline() (time.Time, bool) {
	if len(s.streams) == 0 {
		return time.Time{}, false
	}
	next := s.wheel.next()
	if due, draining := s.drain.next(); draining && due.Before(next) {
		next = due
	}
	return next, true
}
