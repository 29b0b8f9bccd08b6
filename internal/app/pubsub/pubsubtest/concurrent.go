package pubsubtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// scenario is a number of publishers, readers and followers that use one log concurrently.
type scenario struct {
	Limits     Limits
	Publishers [][][]draft // the batches of each
	Joins      []join
	Readers    []int // the page size of each
}

// join is a follower that starts once the first follower got a number of entries.
type join struct {
	When uint64 // how many entries
	Back int    // how far before the newest offset it starts
	Stay bool   // follows until the end
}

func drawScenario(t *rapid.T, a Adapter) scenario {
	c := scenario{Limits: Roomy()}
	if a.SameProcess { // otherwise followers may miss what is trimmed
		c.Limits.Events = rapid.SampledFrom([]int{1, 10, 100, everything}).Draw(t, "events")
		c.Limits.Bytes = rapid.SampledFrom([]int64{3000, 30_000, 1 << 30}).Draw(t, "bytes")
	}
	batches := rapid.SliceOfN(rapid.SliceOfN(someDraft, 1, 5), 1, 30)
	c.Publishers = rapid.SliceOfN(batches, 1, 4).Draw(t, "publishers")
	c.Joins = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) join {
		return join{
			When: rapid.Uint64Range(1, 40).Draw(t, "when"),
			Back: rapid.IntRange(0, 50).Draw(t, "back"),
			Stay: rapid.Bool().Draw(t, "stay"),
		}
	}), 0, 4).Draw(t, "joins")
	c.Readers = rapid.SliceOfN(rapid.IntRange(1, 50), 0, 2).Draw(t, "readers")
	return c
}

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

// run runs everything concurrently, and returns how the results differ from what the first follower got, which follows
// from the beginning to the end.
func (c scenario) run(t *testing.T, a Adapter) error {
	t.Helper()
	log := a.Open(t, c.Limits)
	reference := follow(t, log, 0)
	reference.upTo(t, publish(t, log, textEvent("begin"))[0].Offset)

	var mu sync.Mutex // guards results, segments and failed
	var results []appended
	var segments []segment
	var failed error
	record := func(s segment, err error) {
		mu.Lock()
		defer mu.Unlock()
		segments, failed = append(segments, s), errors.Join(failed, err)
	}
	var publishing, watching sync.WaitGroup
	done := make(chan struct{}) // closed when all publishers are done
	for p, batches := range c.Publishers {
		publishing.Go(func() {
			for b, batch := range batches {
				var events []event.Event
				for n, d := range batch {
					events = append(events, d.event(fmt.Sprint(p, "/", b, "/", n)))
				}
				positions, err := log.Append(t.Context(), events)
				mu.Lock()
				results, failed = append(results, appended{events, positions}), errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	for i, size := range c.Readers {
		watching.Go(func() {
			for {
				record(readSegment(t, log, fmt.Sprint("reader ", i), size))
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	type joined struct {
		*follower
		join
		after uint64
	}
	var followers []joined
	watching.Go(func() {
		publishing.Wait()
		close(done)
	})
	for _, j := range c.Joins {
		for !reference.reached(j.When, done) {
		}
		after := uint64(max(0, int(log.Extent().Newest)-j.Back))
		f := joined{follow(t, log, after), j, after}
		if !j.Stay {
			f.stop()
		}
		followers = append(followers, f)
	}
	watching.Wait()
	last := publish(t, log, textEvent("end"))[0].Offset // small, so that it is kept and every follower gets it
	all := reference.upTo(t, last)
	for i, f := range followers {
		got := f.got()
		if f.Stay {
			got = f.upTo(t, last)
		}
		record(segment{fmt.Sprint("follower ", i), f.after, c.Limits == Roomy(), got}, nil)
	}
	if failed != nil {
		return failed
	}
	assertRising(t, all)
	return errors.Join(checkAppended(all, results), checkSegments(all, segments))
}

// reached reports whether n entries were delivered or no more will be. Otherwise it waits for the next entries first.
func (f *follower) reached(n uint64, done <-chan struct{}) bool {
	entries, more := f.snapshot()
	if uint64(len(entries)) >= n {
		return true
	}
	select {
	case <-more:
		return false
	case <-done:
		return true
	}
}

// readSegment reads what the log keeps, page by page, until the end or until the next entry was trimmed.
func readSegment(t *testing.T, log pubsub.Log, name string, size int) (segment, error) {
	t.Helper()
	extent := log.Extent()
	s := segment{name: name, after: extent.Oldest - 1, exact: true}
	for after := s.after; ; {
		page, err := log.Read(t.Context(), after, size)
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
