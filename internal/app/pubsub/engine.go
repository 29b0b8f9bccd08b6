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
	// ErrDraining means that the server is stopping and takes no new streams, nor events that would be lost.
	ErrDraining = errors.New("server is stopping")
	// ErrNoPattern means that a subscription has no pattern.
	ErrNoPattern = errors.New("subscription without a topic")
)

// Engine takes events from publishers and fans them out to streams. Its methods may be called concurrently.
type Engine struct {
	cfg       Config
	log       Log
	observer  Observer
	window    *window
	history   history
	identity  identity
	outage    outage
	latest    latest
	shards    []*shard
	receiver  receiver
	nextShard atomic.Uint64 // streams are assigned to the shards round-robin

	newest    atomic.Uint64 // the newest offset that the follower has received
	head      atomic.Uint64 // the newest offset of the log when the engine began to follow it
	following atomic.Bool   // a call of [Log.Follow] is in progress
	streams   atomic.Int64  // attached streams
	published atomic.Int64  // events published since trimmed events were dropped from latest
	unindexed chan struct{} // signalled when latest lacks what the log kept before it was followed

	judge atomic.Pointer[func(Subscription) EndReason] // of [Engine.Enforce]; nil before its first call

	drainEnd atomic.Pointer[time.Time] // when the last stream is ended; nil unless the engine drains
	drained  chan struct{}             // signalled when no stream is left
}

// New returns an engine over a log. [Engine.Run] starts it.
func New(cfg Config, log Log, observer Observer) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	extent := log.Extent()
	begin := extent.fillFrom(cfg.Fill)
	window := newWindow(cfg.Window, begin)
	e := &Engine{
		cfg:      cfg,
		log:      log,
		observer: observer,
		window:   window,
		history:  history{log: log, window: window},
		identity: newIdentity(extent.Epoch),
		outage:   outage{began: make(chan struct{}, 1)},
		drained:  make(chan struct{}, 1),

		unindexed: make(chan struct{}, 1),
	}
	e.followLatest(extent, begin)
	e.newest.Store(begin)
	e.head.Store(extent.Newest)
	count := cfg.Shards
	if count == 0 {
		count = runtime.GOMAXPROCS(0)
	}
	for range count {
		e.shards = append(e.shards, newShard(e, extent.At(begin)))
	}
	return e, nil
}

// Run delivers events to streams until the context ends; then it ends the remaining streams and returns nil. While the
// log is unavailable, Run waits for it. Run returns an error, and ends all streams, only when the log fails in another
// way.
func (e *Engine) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop() // before waiting
	for _, s := range e.shards {
		running.Go(func() { s.run(ctx) })
	}
	running.Go(func() { e.expire(ctx) })
	running.Go(func() { e.watchOutages(ctx) })
	running.Go(func() { e.keepLatest(ctx) })
	return e.follow(ctx)
}

// expire drops items that are too old from the window, also while nothing is published.
func (e *Engine) expire(ctx context.Context) {
	ticker := time.NewTicker(max(e.cfg.Window.Age/16, 10*time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			e.window.expire(now)
		}
	}
}

// Publish appends events to the log, together and in this order, and returns what became of each. It returns once the log
// has them and does not wait for any stream. While the log is known to be unavailable, it fails at once. Errors match
// [event.ErrInvalid], [ErrKeyReused], or [ErrUnavailable] when nothing was appended, or [ErrUnknownOutcome], also when the
// context ends first.
func (e *Engine) Publish(ctx context.Context, events ...event.Event) ([]Appended, error) {
	bytes := 0
	for _, ev := range events {
		if err := ev.Validate(); err != nil {
			return nil, err
		}
		bytes += ev.Size()
	}
	if err := e.outage.refusal(); err != nil {
		return nil, err
	}
	appended, err := e.log.Append(ctx, events)
	switch {
	case err == nil:
		e.observer.Published(len(events), bytes)
		if e.published.Add(int64(len(events))) >= latestTrimEvents {
			e.trimLatest()
		}
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	default:
		e.noteFailure(err)
	}
	if e.shardsBehind() {
		runtime.Gosched()
	}
	return appended, err
}

// shardsBehind reports whether a shard is so far behind the newest item that the window may soon drop items the shard
// has not walked. Such a shard lacks processor time, so publishers let it run first; otherwise it would have to read
// from the log what it could have taken from the window.
func (e *Engine) shardsBehind() bool {
	newest, allowed := e.newest.Load(), uint64(e.cfg.Window.Events/8)
	for _, s := range e.shards {
		if s.progress.Load()+allowed < newest {
			return true
		}
	}
	return false
}

// Open finds where a subscription starts. The stream it returns uses no resources of the engine until it is attached.
// Errors match [ErrNoPattern], [ErrDraining], [ErrUnavailable] or the context's.
func (e *Engine) Open(ctx context.Context, sub Subscription) (*Stream, error) {
	if len(sub.Patterns) == 0 {
		return nil, ErrNoPattern
	}
	if err := e.refusal(); err != nil {
		return nil, err
	}
	at, latest, reset, err := e.findStart(ctx, sub)
	if errors.Is(err, ErrReplaced) { // while the start was looked for; the next attempt finds it in the new log
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err != nil {
		return nil, err
	}
	if reset != nil {
		e.observer.Reset(reset.Reason)
	}
	s := e.shards[e.nextShard.Add(1)%uint64(len(e.shards))]
	return &Stream{sub: sub, start: at, latest: latest, reset: reset, shard: s}, nil
}

// Streams returns the number of attached streams.
func (e *Engine) Streams() int { return int(e.streams.Load()) }
