package pubsubtest

import (
	"errors"
	"fmt"
	"testing"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// batch is what Append was called with and what it returned.
type batch struct {
	events   []event.Event
	appended []pubsub.Appended
	refused  bool // because a key belongs to another event
}

// segment is the part of the log that a reader or follower got.
type segment struct {
	name    string // of the reader or follower
	after   uint64 // the offset after which it started
	exact   bool   // it begins right after the offset
	entries []event.Entry
}

// readSegment reads what the log keeps, page by page, until the end or until the next entry was trimmed.
func readSegment(t *testing.T, log pubsub.Log, name string, size int) (segment, error) {
	t.Helper()
	extent := log.Extent()
	s := segment{name: name, after: extent.Oldest - 1, exact: true}
	for after := s.after; ; {
		page, err := log.Read(t.Context(), log.Extent().At(after), size)
		switch {
		case errors.Is(err, pubsub.ErrTrimmed):
			if oldest := log.Extent().Oldest; oldest <= after+1 {
				return s, fmt.Errorf("%s: trimmed after %d, but the oldest is %d", name, after, oldest)
			}
			return s, nil
		case err != nil:
			return s, fmt.Errorf("%s: %w", name, err)
		case len(page) == 0:
			return s, nil
		}
		s.entries = append(s.entries, page...)
		after = page[len(page)-1].Position.Offset
	}
}

// checkSegments checks that each segment is a part of the log, without a gap or a repeat and in order.
func checkSegments(all []event.Entry, segments []segment) error {
	var failed error
	for _, s := range segments {
		if len(s.entries) == 0 {
			continue
		}
		first := s.entries[0].Position.Offset
		from := indexAfter(all, first-1)
		if first <= s.after || s.exact && from != indexAfter(all, s.after) {
			failed = errors.Join(failed, fmt.Errorf("%s: starts with %d after %d", s.name, first, s.after))
		}
		to := min(len(all), from+len(s.entries))
		failed = errors.Join(failed, same(s.name, s.entries, all[from:to]))
	}
	return failed
}

// checkAppended checks that the log has what was appended: each event at its position, each key once, batches
// contiguous, and nothing of a batch that was refused.
func checkAppended(all []event.Entry, results []batch) error {
	at := make(map[event.Position]int)
	texts := make(map[event.Data]bool)
	for i, e := range all {
		at[e.Position] = i
		texts[e.Event.Data] = true
	}
	keys := make(map[event.Key]event.Position)
	count := 2 // "begin" and "end"
	for _, b := range results {
		if b.refused {
			for _, e := range b.events {
				if e.Key.IsZero() && texts[e.Data] { // texts without a key are unique
					return fmt.Errorf("%q was refused and is there", e.Data)
				}
			}
			continue
		}
		var fresh []int
		for i, e := range b.events {
			position := b.appended[i].Position
			index, found := at[position]
			if !found {
				return fmt.Errorf("%v was returned and never delivered", position)
			}
			if all[index].Event.Data != e.Data || all[index].Event.Key != e.Key {
				return fmt.Errorf("%v is %q, not %q", position, all[index].Event.Data, e.Data)
			}
			if first, known := keys[e.Key]; known && first != position {
				return fmt.Errorf("key %q is at %v and at %v", e.Key, first, position)
			}
			if !e.Key.IsZero() {
				keys[e.Key] = position
			}
			if !b.appended[i].Repeated {
				fresh = append(fresh, index)
			}
		}
		count += len(fresh)
		for i := range fresh {
			if fresh[i] != fresh[0]+i {
				return fmt.Errorf("a batch is not contiguous: %v", b.appended)
			}
		}
	}
	if count != len(all) {
		return fmt.Errorf("%d events were appended, %d delivered", count, len(all))
	}
	return nil
}
