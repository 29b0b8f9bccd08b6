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
	// pageSize is how many entries of the log's history are read at a time.
	pageSize = 1024
	// pageBytes ends a page of large events early, because pages that are kept are memory.
	pageBytes = 1 << 20
	// pagesKept is how many pages a reader keeps, so that clients who replay the same history together share its
	// entries and their encodings.
	pagesKept = 8
	// readTimeout bounds one read of the log.
	readTimeout = 10 * time.Second
	// readRetry is how long to rest after the log could not be read or followed.
	readRetry = time.Second
	// pagesAhead is how many pages may wait for the shard, so that a fast log does not fill memory with history.
	pagesAhead = 4
	// keepPages is how long pages are kept once nobody asks for any.
	keepPages = 2 * time.Second
)

// ask is a wish for the page after an offset.
type ask struct {
	stream *Stream // nil when the shard itself asks
	after  uint64
}

// page is a stretch of the log's history that was asked for.
type page struct {
	after uint64
	items []*Item
	err   error
}

// from answers the page's items after an offset, none when the offset is not within the page.
func (p *page) from(after uint64) []*Item {
	if after < p.after {
		return nil
	}
	n := sort.Search(len(p.items), func(i int) bool { return p.items[i].Position.Offset > after })
	return p.items[n:]
}

// fit answers as many of the entries as one page may hold.
func fit(entries []event.Entry) []event.Entry {
	size := 0
	for i, e := range entries {
		if size += e.Event.Size(); size > pageBytes && i > 0 {
			return entries[:i]
		}
	}
	return entries
}

// reader reads the log's history for the streams of a shard that are too far behind for the window, and for the shard when
// it is so itself. It is a goroutine beside the shard's, because a log may be far away and a shard must not wait.
type reader struct {
	log   Log
	shard *shard
	asked chan struct{} // the queue has something
	ahead chan struct{} // one for each page on its way to the shard

	asks  int   // how many wait for a page; the shard's own
	queue []ask // guarded by shard.mu
	kept  [pagesKept]page
	next  int
}

func newReader(log Log, s *shard) reader {
	return reader{log: log, shard: s, asked: make(chan struct{}, 1), ahead: make(chan struct{}, pagesAhead)}
}

// ask queues a wish. The shard gets the page as a message. What the shard itself asks for comes first: more streams
// wait for it.
func (r *reader) ask(a ask) {
	r.asks++
	r.shard.mu.Lock()
	if a.stream == nil {
		r.queue = slices.Insert(r.queue, 0, a)
	} else {
		r.queue = append(r.queue, a)
	}
	r.shard.mu.Unlock()
	select {
	case r.asked <- struct{}{}:
	default:
	}
}

func (r *reader) run(ctx context.Context) {
	forget := time.NewTimer(keepPages)
	defer forget.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-forget.C:
			clear(r.kept[:])
			continue
		case <-r.asked:
		}
		for a, ok := r.take(); ok; a, ok = r.take() {
			select {
			case r.ahead <- struct{}{}:
			case <-ctx.Done():
				return
			}
			r.shard.post(message{stream: a.stream, what: msgPage, page: r.page(ctx, a.after)})
		}
		forget.Reset(keepPages)
	}
}

func (r *reader) take() (first ask, ok bool) {
	r.shard.mu.Lock()
	defer r.shard.mu.Unlock()
	if len(r.queue) == 0 {
		r.queue = nil
		return ask{}, false
	}
	first, r.queue[0] = r.queue[0], ask{}
	r.queue = r.queue[1:]
	return first, true
}

// page answers what the log has after an offset: the rest of a page that was read before, or a new one.
func (r *reader) page(ctx context.Context, after uint64) page {
	for _, p := range r.kept {
		if rest := p.from(after); len(rest) > 0 && after+1 >= r.log.Extent().Oldest {
			return page{after: after, items: rest}
		}
	}
	for {
		reading, cancel := context.WithTimeout(ctx, readTimeout)
		entries, err := r.log.Read(reading, after, pageSize)
		cancel()
		if err != nil && !errors.Is(err, ErrTrimmed) {
			select { // the log is away: streams that need its history wait for it
			case <-time.After(readRetry):
				continue
			case <-ctx.Done():
				return page{after: after, err: err}
			}
		}
		p := page{after: after, items: newItems(fit(entries)), err: err}
		r.kept[r.next] = p
		r.next = (r.next + 1) % pagesKept
		return p
	}
}
