package pubsub

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"carillon/internal/domain/event"
)

// Errors of the [Engine].
var (
	// ErrDraining says that the server is stopping and takes no new streams.
	ErrDraining = errors.New("server is stopping")
	// ErrNoPattern says that a subscription asks for nothing.
	ErrNoPattern = errors.New("subscription without a topic")
)

// Engine takes events from publishers and fans them out to streams. Its methods may be called concurrently.
type Engine struct {
	cfg    Config
	log    Log
	seen   Observer
	window *window
	epoch  event.Epoch
	shards []*shard
	turn   atomic.Uint64 // streams are dealt to shards in turn

	head    atomic.Uint64 // the newest offset in the window
	streams atomic.Int64

	draining atomic.Bool
	empty    chan struct{} // nudged when the last stream of a draining publisher ends
}

// New makes a publisher over a log; [Engine.Run] sets it going.
func New(cfg Config, log Log, observer Observer) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	extent := log.Extent()
	p := &Engine{
		cfg:    cfg,
		log:    log,
		seen:   observer,
		window: newWindow(cfg.Window, extent.Newest),
		epoch:  extent.Epoch,
		empty:  make(chan struct{}, 1),
	}
	p.head.Store(extent.Newest)
	count := cfg.Shards
	if count == 0 {
		count = runtime.GOMAXPROCS(0)
	}
	for range count {
		p.shards = append(p.shards, newShard(p, extent.Newest))
	}
	return p, nil
}

// Run carries events to streams until the context ends; then it ends the streams that are left and returns nil. A log
// that is away for a while is waited for; Run gives up, and ends all streams, only when the log fails otherwise.
func (p *Engine) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop() // before waiting
	for _, s := range p.shards {
		running.Go(func() { s.run(ctx) })
	}
	running.Go(func() { p.expire(ctx) })
	return p.follow(ctx)
}

// follow takes what the log delivers, and goes on from there when the log comes back.
func (p *Engine) follow(ctx context.Context) error {
	for {
		err := p.log.Follow(ctx, p.head.Load(), p.take)
		if err != nil && !errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
			return fmt.Errorf("following the log: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(readRetry):
		}
	}
}

// take moves what the log delivers into the window and wakes the shards.
func (p *Engine) take(entries []event.Entry) {
	if len(entries) == 0 {
		return
	}
	p.window.push(newItems(entries))
	p.head.Store(entries[len(entries)-1].Position.Offset)
	for _, s := range p.shards {
		s.nudge()
	}
}

// expire drops what is too old even while nothing is published.
func (p *Engine) expire(ctx context.Context) {
	every := time.NewTicker(max(p.cfg.Window.Age/16, 10*time.Millisecond))
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			p.window.expire(now)
		}
	}
}

// Publish puts events into the log, together and in this order, and answers the position of each. It returns once the
// log has them and does not wait for any stream. Errors match [event.ErrInvalid], [ErrUnavailable] or the context's.
func (p *Engine) Publish(ctx context.Context, events ...event.Event) ([]event.Position, error) {
	bytes := 0
	for _, e := range events {
		if err := e.Validate(); err != nil {
			return nil, err
		}
		bytes += e.Size()
	}
	positions, err := p.log.Append(ctx, events)
	if err == nil {
		p.seen.Published(len(events), bytes)
	}
	if p.crowded() {
		runtime.Gosched()
	}
	return positions, err
}

// crowded reports whether a shard has come so far behind the head that the window may run away from it. It lacks
// processor time, not readers: publishers then let it run first, or it would have to get from the log what it could
// have had from the window.
func (p *Engine) crowded() bool {
	head, room := p.head.Load(), uint64(p.cfg.Window.Events/8)
	for _, s := range p.shards {
		if s.walked.Load()+room < head {
			return true
		}
	}
	return false
}

// Open finds where a subscription starts. The stream it answers costs nothing until it is attached. Errors match
// [ErrNoPattern], [ErrDraining], [ErrUnavailable] or the context's.
func (p *Engine) Open(ctx context.Context, sub Subscription) (*Stream, error) {
	if len(sub.Patterns) == 0 {
		return nil, ErrNoPattern
	}
	if p.draining.Load() {
		return nil, ErrDraining
	}
	at, reset, err := p.begin(ctx, sub)
	if err != nil {
		return nil, err
	}
	if reset != nil {
		p.seen.Reset(reset.Reason)
	}
	s := p.shards[p.turn.Add(1)%uint64(len(p.shards))]
	return &Stream{sub: sub, at: at, reset: reset, shard: s}, nil
}

// Streams is how many streams are attached.
func (p *Engine) Streams() int { return int(p.streams.Load()) }

// Draining reports whether the publisher takes no new streams any more.
func (p *Engine) Draining() bool { return p.draining.Load() }

// Drain refuses new streams and ends those there are evenly over a window of time, each with [EndDrain]. It returns
// when all have ended or the context has.
func (p *Engine) Drain(ctx context.Context, window time.Duration) error {
	p.draining.Store(true)
	for _, s := range p.shards {
		s.post(message{what: msgDrain, drain: window})
	}
	for p.streams.Load() > 0 {
		select {
		case <-p.empty:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.nudgeEmpty() // for whoever else waits
	return nil
}

// ended counts a stream out.
func (p *Engine) ended(why EndReason) {
	p.seen.Ended(why)
	if p.streams.Add(-1) == 0 {
		p.nudgeEmpty()
	}
}

func (p *Engine) nudgeEmpty() {
	select {
	case p.empty <- struct{}{}:
	default:
	}
}

func (p *Engine) position(offset uint64) event.Position {
	return event.Position{Epoch: p.epoch, Offset: offset}
}
