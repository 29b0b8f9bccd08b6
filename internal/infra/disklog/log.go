package disklog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

var _ pubsub.Log = (*Log)(nil)

// Log keeps events in a file. Its methods may be called concurrently.
type Log struct {
	cfg     Config
	epoch   event.Epoch
	file    *file
	opening Opening
	clock   clock

	waiting chan *request // appends on their way to the committer
	running atomic.Bool
	stopped chan struct{} // closed when Run has returned

	// What only the committer uses.
	keys         keys
	wall         int64  // the newest entry's time
	oldestOnDisk uint64 // offset of the first entry in the file
	full         bool   // the newest transaction found no room on the disk
	broken       error  // set once nobody knows what the file holds

	// order is held while a transaction's outcome becomes visible and is delivered, so that followers see appends in
	// log order; readers do not wait for followers. It is taken before mu.
	order     sync.Mutex
	followers []*pubsub.Follower

	mu      sync.RWMutex
	history history
}

// maxWaiting bounds how many appends wait for the committer's next transaction; further ones wait in Append.
const maxWaiting = 1024

func newLog(cfg Config) *Log {
	return &Log{
		cfg:     cfg,
		clock:   clock{start: time.Now()},
		waiting: make(chan *request, maxWaiting),
		stopped: make(chan struct{}),
		keys:    keys{cfg: cfg, first: make(map[event.Key]first)},
		history: history{cfg: cfg, first: 1, next: 1},
	}
}

// Opening returns what Open found and did.
func (l *Log) Opening() Opening { return l.opening }

// Durable reports true: what was appended is on disk and outlives the process.
func (*Log) Durable() bool { return true }

// Close closes the file. Run must have returned. Reads fail from then on.
func (l *Log) Close() error {
	if errors.Is(l.broken, ErrDamaged) { // bbolt may have panicked with its lock held
		return l.file.handle.Close()
	}
	return l.file.db.Close()
}

// Append implements [pubsub.Log]. It waits for the transaction that holds the events. When the context ends before that
// transaction has begun, nothing is kept.
func (l *Log) Append(ctx context.Context, events []event.Event) ([]pubsub.Appended, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return []pubsub.Appended{}, nil
	}
	return l.submit(ctx, newRequest(events))
}

// submit hands a request to the committer and waits for its result.
func (l *Log) submit(ctx context.Context, r *request) ([]pubsub.Appended, error) {
	select {
	case l.waiting <- r:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.stopped:
		return nil, errStopped
	}
	select {
	case <-r.done:
		return r.appended, r.err
	case <-ctx.Done():
		r.withdraw()
		return nil, ctx.Err()
	case <-l.stopped:
	}
	select {
	case <-r.done: // the last transaction held it
		return r.appended, r.err
	default:
		return nil, errStopped
	}
}

var errStopped = fmt.Errorf("%w: the log is stopped", pubsub.ErrUnavailable)

// Extent implements [pubsub.Log].
func (l *Log) Extent() pubsub.Extent {
	l.rlock()
	defer l.mu.RUnlock()
	return pubsub.Extent{Epoch: l.epoch, Oldest: l.history.first, Newest: l.history.next - 1}
}

// Look implements [pubsub.Log]. This process is the only one that appends, so the extent is always known; but only the
// committer can tell whether the file takes events.
func (l *Log) Look(ctx context.Context) (pubsub.Extent, error) {
	if _, err := l.submit(ctx, newRequest(nil)); err != nil {
		return pubsub.Extent{}, err
	}
	return l.Extent(), nil
}

// Kept returns how many bytes of events the history holds, by [event.Event.Size], and how old the oldest of them is.
func (l *Log) Kept() (bytes int64, age time.Duration) {
	l.rlock()
	defer l.mu.RUnlock()
	if l.history.kept.length() > 0 {
		age = time.Duration(l.clock.now() - l.history.kept.front().at)
	}
	return l.history.bytes, age
}

// FileBytes returns the size of the file.
func (l *Log) FileBytes() (int64, error) {
	info, err := l.file.handle.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// rlock takes mu for reading, once nothing in the history is too old.
func (l *Log) rlock() {
	now := l.clock.now()
	l.mu.RLock()
	for l.history.stale(now) {
		l.mu.RUnlock()
		l.mu.Lock()
		l.history.trim(now)
		l.mu.Unlock()
		l.mu.RLock()
	}
}
