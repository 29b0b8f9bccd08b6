package pubsubtest

import (
	"errors"
	"fmt"
	"testing"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// appended is a batch and the positions that Append returned.
type appended struct {
	events    []event.Event
	positions []event.Position
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
// contiguous.
func checkAppended(all []event.Entry, results []appended) error {
	at := make(map[event.Position]int)
	for i, e := range all {
		at[e.Position] = i
	}
	keys := make(map[event.Key]event.Position)
	count := 2 // "begin" and "end"
	for _, a := range results {
		var fresh []int
		for i, e := range a.events {
			index, found := at[a.positions[i]]
			if !found {
				return fmt.Errorf("%v was returned and never delivered", a.positions[i])
			}
			if first, known := keys[e.Key]; known && first != a.positions[i] {
				return fmt.Errorf("key %q is at %v and at %v", e.Key, first, a.positions[i])
			}
			if !e.Key.IsZero() {
				keys[e.Key] = a.positions[i]
			}
			if all[index].Event.Data == e.Data {
				fresh = append(fresh, index)
			} else if e.Key.IsZero() || all[index].Event.Key != e.Key {
				return fmt.Errorf("%v is %q, not %q", a.positions[i], all[index].Event.Data, e.Data)
			}
		}
		count += len(fresh)
		for i := range fresh {
			if fresh[i] != fresh[0]+i {
				return fmt.Errorf("a batch is not contiguous: %v", a.positions)
			}
		}
	}
	if count != len(all) {
		return fmt.Errorf("%d events were appended, %d delivered", count, len(all))
	}
	return nil
}
