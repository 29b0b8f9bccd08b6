package pubsub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"carillon/internal/domain/event"
)

const (
	// latestTrimInterval is how often the index of the newest events drops those that were trimmed.
	latestTrimInterval = time.Second
	// latestTrimEvents is after how many published events it does so without waiting.
	latestTrimEvents = 1024
)

// followLatest starts the index of the newest events of a log that is followed from an offset.
func (e *Engine) followLatest(extent Extent, begin uint64) {
	e.latest.restart(extent.Epoch, begin, extent.Newest)
	if begin < extent.Oldest {
		e.latest.completeWith(&latest{}, extent.Epoch) // the log kept nothing before
		return
	}
	select {
	case e.unindexed <- struct{}{}:
	default:
	}
}

// keepLatest adds to the index what the log kept before it was followed, and drops from it what was trimmed, until the
// context ends.
func (e *Engine) keepLatest(ctx context.Context) {
	ticker := time.NewTicker(latestTrimInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			e.trimLatest()
		case <-e.unindexed:
			e.indexHistory(ctx)
		}
	}
}

func (e *Engine) trimLatest() {
	e.published.Store(0)
	e.latest.trim(e.log.Extent())
}

// indexHistory reads what the log kept before it was followed. While the log is unavailable, it waits. It gives up when
// the log is replaced, because the index is then started again.
func (e *Engine) indexHistory(ctx context.Context) {
	var older latest
	begin := e.latest.start()
	for after := e.log.Extent().Oldest - 1; after < begin.Offset; {
		entries, err := e.readPage(ctx, event.Position{Epoch: begin.Epoch, Offset: after})
		switch {
		case errors.Is(err, ErrTrimmed):
			after = max(after+1, e.log.Extent().Oldest-1)
			continue
		case errors.Is(err, ErrReplaced):
			return
		case err != nil:
			e.noteReadFailure(ctx, err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(retryDelay):
			}
			continue
		case len(entries) == 0:
			after = begin.Offset
			continue
		}
		after = entries[len(entries)-1].Position.Offset
		for len(entries) > 0 && entries[len(entries)-1].Position.Offset > begin.Offset {
			entries = entries[:len(entries)-1] // the follower adds them
		}
		older.add(entries, after)
	}
	e.latest.completeWith(&older, begin.Epoch)
}

func (e *Engine) readPage(ctx context.Context, after event.Position) ([]event.Entry, error) {
	reading, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return e.log.Read(reading, after, pageItems)
}

// latestStart is what a stream that begins with the newest event of each topic has still to be given before it goes on.
type latestStart struct {
	offsets []uint64
	upTo    uint64 // the stream goes on after it
}

// findLatest returns where a stream starts that begins with the newest event of each topic, and the offsets of these
// events.
func (e *Engine) findLatest(ctx context.Context, sub Subscription, extent Extent) (event.Position, *latestStart, error) {
	limit := time.NewTimer(readTimeout)
	defer limit.Stop()
	offsets, upTo, wait := e.latest.find(sub.Patterns, sub.Grant, extent)
	for wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return event.Position{}, nil, ctx.Err()
		case <-limit.C:
			return event.Position{}, nil, fmt.Errorf("%w: its history is still being read", ErrUnavailable)
		}
		offsets, upTo, wait = e.latest.find(sub.Patterns, sub.Grant, extent)
	}
	if len(offsets) == 0 {
		return upTo, nil, nil
	}
	return event.Position{Epoch: upTo.Epoch, Offset: offsets[0] - 1}, &latestStart{offsets: offsets, upTo: upTo.Offset}, nil
}

// Latest returns what the index of the newest events holds. It costs next to nothing.
func (e *Engine) Latest() LatestInfo { return e.latest.info() }

// advanceLatest gives a stream the next of the newest events that it begins with.
func (s *shard) advanceLatest(st *Stream) {
	l := st.latest
	for len(l.offsets) > 0 && l.offsets[0] <= st.cursor {
		l.offsets = l.offsets[1:]
	}
	if len(l.offsets) == 0 {
		st.cursor, st.latest = max(st.cursor, l.upTo), nil
		s.lagging = append(s.lagging, st)
		return
	}
	wanted := l.offsets[:min(len(l.offsets), batchItems)]
	n, covered := s.engine.window.pick(wanted, s.batch.items[:])
	if !covered {
		st.state = stateReading
		s.reader.request(pageRequest{stream: st, after: s.position(st.cursor), offsets: wanted, generation: s.generation})
		return
	}
	if n > 0 {
		s.offer(st, s.batch.items[:n])
		clear(s.batch.items[:n])
	} else {
		st.cursor = wanted[len(wanted)-1]
	}
	if st.state == stateLagging {
		s.lagging = append(s.lagging, st)
	}
}
