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
	// walkBatch is how many items a shard matches before it looks at its inbox again.
	walkBatch = 256
	// walkHits ends a batch early, so that a burst to very many streams is matched in a bounded space.
	walkHits = 1 << 16
	// lagTurns is how many lagging streams get a turn before the shard looks at the head again, so that a replay to
	// many does not hold up what is live.
	lagTurns = 8
	// busyRest is a rest so short that more is likely to come at once. Whoever wakes a goroutine makes Go run it next,
	// which under load would mean a walk, and a write to each stream, for nearly every event.
	busyRest = 500 * time.Microsecond
	// busyBatch is how many new items are enough for a walk: for more, the shard does not wait.
	busyBatch = 64
	// turn is how long a shard with much to do works before it lets others run. Being let in again can take much longer
	// than that on a busy machine, so it must be worth it.
	turn = 5 * time.Millisecond
)

// shard owns a share of the streams. Everything but its inbox belongs to the goroutine in run.
type shard struct {
	pub  *Engine
	wake chan struct{}

	mu      sync.Mutex // guards inbox, stopped and the queue of the reader
	inbox   []message
	stopped bool

	at      uint64        // live streams have been given everything up to this offset
	behind  behind        // what it gets from the log because it was too slow for the window
	walked  atomic.Uint64 // what at was a moment ago, for publishers to see
	index   index
	roll    []*Stream // every stream of the shard
	lagging []*Stream // queue of streams with a turn to come
	wheel   wheel
	reader  reader
	drain   drain

	spare   []message // the inbox's other half
	items   [walkBatch]*Item
	picked  []*Item
	found   []*members
	touched []*Stream
	hits    []hit
}

// message is a wish to a shard. A stream has at most one of each kind waiting, and whoever asks waits for the answer, so
// the inbox is bounded by the streams.
type message struct {
	stream *Stream
	what   messageKind
	why    EndReason
	page   page
	drain  time.Duration
	ask    func()
}

type messageKind uint8

const (
	msgOpen messageKind = iota
	msgReady
	msgEnd
	msgPage
	msgDrain
	msgAsk
)

func newShard(p *Engine, at uint64) *shard {
	s := &shard{pub: p, wake: make(chan struct{}, 1), at: at, index: newIndex()}
	s.walked.Store(at)
	s.reader = newReader(p.log, s)
	return s
}

// post leaves a message; it reports false when the shard has stopped.
func (s *shard) post(m message) bool {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return false
	}
	s.inbox = append(s.inbox, m)
	s.mu.Unlock()
	s.nudge()
	return true
}

// nudge makes the shard look around soon. It does not wait.
func (s *shard) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run serves the streams until the context ends, then ends those that are left.
func (s *shard) run(ctx context.Context) {
	var reading sync.WaitGroup
	reading.Go(func() { s.reader.run(ctx) })
	s.wheel = newWheel(s.pub.cfg.Heartbeat, time.Now())
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for began := time.Now(); ctx.Err() == nil; {
		now := time.Now()
		s.wheel.turn(now, s.look)
		s.receive()
		busy := s.walk()
		s.walked.Store(s.at)
		s.drain.step(now, s) // after the walk: a stream that ends has been given what was published before
		if s.catchUp() || busy {
			if s.idle() || now.Sub(began) > turn {
				runtime.Gosched()
				began = time.Now()
			}
			continue
		}
		if next, idle := s.deadline(); idle {
			timer.Reset(time.Hour)
		} else {
			timer.Reset(time.Until(next))
		}
		rested := time.Now()
		select {
		case <-s.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		if time.Since(rested) < busyRest && s.idle() {
			runtime.Gosched() // publishers that are ready to run go first, and what they publish is written together
		}
		began = time.Now()
	}
	reading.Wait()
	s.mu.Lock()
	s.stopped = true // what is posted from here on is turned away
	s.mu.Unlock()
	s.receive()
	for len(s.roll) > 0 {
		s.end(s.roll[len(s.roll)-1], EndDrain)
	}
}

// idle reports whether no stream waits for more than, perhaps, a few new items.
func (s *shard) idle() bool {
	if len(s.lagging) > 0 || s.reader.asks > 0 || s.pub.head.Load()-s.at >= busyBatch {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.inbox) == 0
}

// deadline is when the shard has something to do even if nobody wakes it.
func (s *shard) deadline() (next time.Time, idle bool) {
	if len(s.roll) == 0 {
		return time.Time{}, true
	}
	next = s.wheel.next()
	if at, draining := s.drain.next(); draining && at.Before(next) {
		next = at
	}
	return next, false
}

// receive handles what waits in the inbox.
func (s *shard) receive() {
	s.mu.Lock()
	s.inbox, s.spare = s.spare[:0], s.inbox
	s.mu.Unlock()
	for i := range s.spare {
		m := s.spare[i]
		s.spare[i] = message{}
		switch m.what {
		case msgOpen:
			s.open(m.stream)
		case msgReady:
			m.stream.readied.Store(false)
			s.ready(m.stream)
		case msgEnd:
			s.end(m.stream, m.why)
		case msgPage:
			<-s.reader.ahead
			s.reader.asks--
			if m.stream == nil {
				s.takePage(m.page)
			} else {
				s.turnPage(m.stream, m.page)
			}
		case msgDrain:
			s.drain.begin(time.Now(), m.drain, len(s.roll))
		case msgAsk:
			m.ask()
		}
	}
	if cap(s.spare) > 4096 {
		s.spare = nil // a storm of openings should not be paid for for ever
	}
}

func (s *shard) open(st *Stream) {
	if st.state != stateNew {
		return
	}
	st.roll = int32(len(s.roll))
	st.firstHit = -1
	s.roll = append(s.roll, st)
	s.index.add(st)
	st.cursor, st.told = st.at.Offset, st.at.Offset
	st.wrote = s.wheel.tick
	s.lag(st)
	switch {
	case st.doom != "":
		s.end(st, st.doom)
	case s.drain.active:
		s.end(st, EndDrain)
	default:
		s.ready(st) // a sink may hold what its client is told first
		if st.state != stateClosed {
			s.look(st)
		}
	}
}

// ready goes on with a stream whose sink has room again.
func (s *shard) ready(st *Stream) {
	switch st.state {
	case stateParked:
		s.lag(st)
	case stateLagging, stateReading, stateLive:
		// It took everything, but may hold the end of it.
		if err := st.sink.Flush(); err != nil {
			s.end(st, EndFailed)
		}
	case stateNew, stateClosed:
	}
}

// lag puts the stream into the queue for a turn.
func (s *shard) lag(st *Stream) {
	st.state = stateLagging
	s.lagging = append(s.lagging, st)
}

// end takes the stream out of the shard and closes its sink. Ending an ended stream does nothing.
func (s *shard) end(st *Stream, why EndReason) {
	switch st.state {
	case stateClosed:
		return
	case stateNew: // its end overtook its opening
		st.doom = why
		return
	case stateLagging, stateReading, stateLive, stateParked:
	}
	st.state = stateClosed
	st.ended.Store(true)
	s.index.remove(st)
	s.wheel.remove(st)
	last := len(s.roll) - 1
	moved := s.roll[last]
	s.roll[st.roll], moved.roll = moved, st.roll
	s.roll[last] = nil
	s.roll = s.roll[:last]
	if sink, knows := st.sink.(Explainer); knows {
		why = sink.Explain(why)
	}
	st.sink.Close(why)
	st.sink = nil
	s.pub.ended(why)
}

// look is what the wheel does with a stream whose time has come: end it, beat its heart, or wait on.
func (s *shard) look(st *Stream) {
	if !st.sub.Expires.IsZero() && time.Until(st.sub.Expires) <= s.wheel.step {
		s.end(st, EndExpired)
		return
	}
	switch quiet := s.wheel.tick - st.wrote; {
	case st.state == stateParked:
		// One that is parked in the log's history is left to its transport, which ends connections that take nothing.
		if s.pub.cfg.Slow == SlowClose && st.held && !s.pub.window.covers(st.cursor) {
			s.end(st, EndSlow)
			return
		}
	case quiet >= s.wheel.beat-s.wheel.jitter: // also while it waits for a log that is away
		st.wrote = s.wheel.tick
		if err := st.sink.Beat(s.bookmark(st)); err != nil {
			s.end(st, EndFailed)
			return
		}
	}
	s.wheel.put(st, s.patience(st))
}

// bookmark is the position to tell a live client so that it can resume, once the one it knows stands in the older half
// of what the log keeps; else none. Telling it more often would be of no use, and some clients take it for an event.
func (s *shard) bookmark(st *Stream) (at event.Position) {
	kept := s.pub.log.Extent()
	if st.state != stateLive || s.at <= st.told || 2*(st.told+1) >= kept.Oldest+kept.Newest+1 {
		return at
	}
	st.told = s.at
	return s.pub.position(s.at)
}

// patience is how many steps the stream can go without a look.
func (s *shard) patience(st *Stream) int64 {
	steps := s.wheel.silence() - (s.wheel.tick - st.wrote)
	if st.state == stateParked {
		steps = s.wheel.beat / 8 // whether a stream is too slow should not take an interval to notice
	}
	if !st.sub.Expires.IsZero() {
		steps = min(steps, int64((time.Until(st.sub.Expires)-1)/s.wheel.step)) // the last look before it
	}
	return steps
}
