package pubsub

import (
	"context"
	"errors"
	"slices"
	"sort"
	"time"

	"carillon/internal/domain/event"
)

const (
	// pageItems is how many entries of the log's history are read at a time.
	pageItems = 1024
	// pageBytes ends a page of large events early, because pages in the cache take memory.
	pageBytes = 1 << 20
	// pagesCached is how many pages a reader keeps, so that clients that replay the same history together share its
	// items and their encodings.
	pagesCached = 8
	// maxPagesInFlight is how many pages may wait for the shard, so that a fast log does not fill memory with history.
	maxPagesInFlight = 4
	// cacheTime is how long pages are kept after the last request.
	cacheTime = 2 * time.Second
	// readTimeout bounds one read of the log.
	readTimeout = 10 * time.Second
	// retryDelay is the time before the log is read or followed again after it failed.
	retryDelay = time.Second
)

// reader reads history for the streams of a shard that are too far behind for the window, and for the shard when it is
// too far behind itself. It has a goroutine of its own, because a log may be remote and a shard must not wait.
type reader struct {
	history  history
	shard    *shard
	wakeup   chan struct{} // signalled when the queue is not empty
	inFlight chan struct{} // holds one element for each page on its way to the shard

	pending int           // requests that have no page yet; belongs to who holds the owner lock
	queue   []pageRequest // guarded by shard.mu

	// What follows belongs to the reader's goroutine.

	cache     [pagesCached]cachedPage
	cacheNext int // the page to replace next
	picked    picker
}

// pageRequest asks for the page after an offset.
type pageRequest struct {
	stream      *Stream // nil when the page is for the shard itself
	after       event.Position
	generation  uint64   // the shard's when it made the request
	shardCursor uint64   // likewise
	offsets     []uint64 // of the only entries that are wanted; nil for all
}

// cachedPage is a page that was read before.
type cachedPage struct {
	after event.Position
	items []*Item
}

// from returns the page's items after a position, none when the position is not within the page.
func (p *cachedPage) from(after event.Position) []*Item {
	if after.Epoch != p.after.Epoch || after.Offset < p.after.Offset {
		return nil
	}
	n := sort.Search(len(p.items), func(i int) bool { return p.items[i].Position.Offset > after.Offset })
	return p.items[n:]
}

func newReader(h history, s *shard) *reader {
	return &reader{history: h, shard: s, wakeup: make(chan struct{}, 1), inFlight: make(chan struct{}, maxPagesInFlight)}
}

// request queues a request. The shard receives the page as a message. A request for the shard itself goes first,
// because more streams wait for it.
func (r *reader) request(req pageRequest) {
	r.pending++
	r.shard.mu.Lock()
	if req.stream == nil {
		r.queue = slices.Insert(r.queue, 0, req)
	} else {
		r.queue = append(r.queue, req)
	}
	r.shard.mu.Unlock()
	select {
	case r.wakeup <- struct{}{}:
	default:
	}
}

// received counts a page that the shard took from its inbox.
func (r *reader) received() {
	<-r.inFlight
	r.pending--
}

func (r *reader) run(ctx context.Context) {
	expiry := time.NewTimer(cacheTime)
	defer expiry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-expiry.C:
			clear(r.cache[:])
			r.picked.clear()
			continue
		case <-r.wakeup:
		}
		for req, ok := r.nextRequest(); ok; req, ok = r.nextRequest() {
			select {
			case r.inFlight <- struct{}{}:
			case <-ctx.Done():
				return
			}
			var items []*Item
			var err error
			if req.offsets == nil {
				items, err = r.page(ctx, req.after)
			} else {
				items, req.shardCursor, err = r.pick(ctx, req.after.Epoch, req.offsets)
			}
			r.shard.post(message{
				kind: msgPage, stream: req.stream, items: items, err: err, generation: req.generation, shardCursor: req.shardCursor,
			})
		}
		expiry.Reset(cacheTime)
	}
}

func (r *reader) nextRequest() (first pageRequest, ok bool) {
	r.shard.mu.Lock()
	defer r.shard.mu.Unlock()
	if len(r.queue) == 0 {
		r.queue = nil
		return pageRequest{}, false
	}
	first, r.queue[0] = r.queue[0], pageRequest{}
	r.queue = r.queue[1:]
	return first, true
}

// page returns the history after a position: the end of a page in the cache, or a new page. While the log is unavailable
// it waits, so the only errors are [ErrTrimmed], [ErrReplaced] and, when the engine stops, any other.
func (r *reader) page(ctx context.Context, after event.Position) ([]*Item, error) {
	for i := range r.cache {
		if items := r.cache[i].from(after); len(items) > 0 && after.Offset+1 >= r.history.log.Extent().Oldest {
			return items, nil
		}
	}
	for {
		reading, cancel := context.WithTimeout(ctx, readTimeout)
		items, err := r.history.older(reading, after, pageItems, pageBytes)
		cancel()
		switch {
		case err == nil:
			r.cache[r.cacheNext] = cachedPage{after: after, items: items}
			r.cacheNext = (r.cacheNext + 1) % pagesCached
			return items, nil
		case errors.Is(err, ErrTrimmed), errors.Is(err, ErrReplaced):
			return nil, err
		}
		r.shard.engine.noteReadFailure(ctx, err)
		select {
		case <-time.After(retryDelay):
		case <-ctx.Done():
			return nil, err
		}
	}
}
