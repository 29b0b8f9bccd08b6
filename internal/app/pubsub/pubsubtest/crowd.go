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

// crowd is a number of publishers, readers and followers who use one log at once.
type crowd struct {
	Limits     Limits
	Publishers [][][]draft // the batches of each
	Joins      []join
	Readers    []int // the page size of each
}

// join is a follower that comes once so many entries were delivered to the first one.
type join struct {
	When uint64
	Back int // how far before the newest it begins
	Stay bool
}

func drawCrowd(t *rapid.T, a Adapter) crowd {
	c := crowd{Limits: Roomy()}
	if a.SameProcess { // elsewhere, followers may miss what is trimmed
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

// answered is a batch and the positions it got.
type answered struct {
	events    []event.Event
	positions []event.Position
}

// stretch is what someone saw of the log, from an offset on.
type stretch struct {
	who     string
	after   uint64
	exact   bool // it begins right after the offset
	entries []event.Entry
}

// run lets everyone loose, and reports who disagrees with the witness: a follower who was there from the beginning.
func (c crowd) run(t *testing.T, a Adapter) error {
	t.Helper()
	log := a.Open(t, c.Limits)
	witness := follow(t, log, 0)
	witness.upTo(t, publish(t, log, say("begin"))[0].Offset)

	var mu sync.Mutex // guards answers, seen and failed
	var answers []answered
	var seen []stretch
	var failed error
	note := func(s stretch, err error) {
		mu.Lock()
		defer mu.Unlock()
		seen, failed = append(seen, s), errors.Join(failed, err)
	}
	var publishing, watching sync.WaitGroup
	over := make(chan struct{})
	for p, batches := range c.Publishers {
		publishing.Go(func() {
			for b, batch := range batches {
				var events []event.Event
				for n, d := range batch {
					events = append(events, d.event(fmt.Sprint(p, "/", b, "/", n)))
				}
				positions, err := log.Append(t.Context(), events)
				mu.Lock()
				answers, failed = append(answers, answered{events, positions}), errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	for i, size := range c.Readers {
		watching.Go(func() {
			for {
				note(readStretch(t, log, fmt.Sprint("reader ", i), size))
				select {
				case <-over:
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
		close(over)
	})
	for _, j := range c.Joins {
		for !witness.reached(j.When, over) {
		}
		after := uint64(max(0, int(log.Extent().Newest)-j.Back))
		f := joined{follow(t, log, after), j, after}
		if !j.Stay {
			f.stop()
		}
		followers = append(followers, f)
	}
	watching.Wait()
	last := publish(t, log, say("end"))[0].Offset // small, so that it is kept and reaches everyone
	all := witness.upTo(t, last)
	for i, f := range followers {
		got := f.got()
		if f.Stay {
			got = f.upTo(t, last)
		}
		note(stretch{fmt.Sprint("follower ", i), f.after, c.Limits == Roomy(), got}, nil)
	}
	if failed != nil {
		return failed
	}
	assertRising(t, all)
	return errors.Join(checkAnswers(all, answers), checkStretches(all, seen))
}

// reached reports whether so many entries were delivered, or nothing more will be; otherwise it waits a little.
func (f *follower) reached(n uint64, over <-chan struct{}) bool {
	entries, more := f.look()
	if uint64(len(entries)) >= n {
		return true
	}
	select {
	case <-more:
		return false
	case <-over:
		return true
	}
}

// readStretch reads all there is, page by page, until it is overtaken by trimming.
func readStretch(t *testing.T, log pubsub.Log, who string, size int) (stretch, error) {
	t.Helper()
	extent := log.Extent()
	s := stretch{who: who, after: extent.Oldest - 1, exact: true}
	for after := s.after; ; {
		page, err := log.Read(t.Context(), after, size)
		switch {
		case errors.Is(err, pubsub.ErrTrimmed):
			if oldest := log.Extent().Oldest; oldest <= after+1 {
				return s, fmt.Errorf("%s: trimmed after %d, but the oldest is %d", who, after, oldest)
			}
			return s, nil
		case err != nil:
			return s, fmt.Errorf("%s: %w", who, err)
		case len(page) == 0:
			return s, nil
		}
		s.entries = append(s.entries, page...)
		after = page[len(page)-1].Position.Offset
	}
}

// checkStretches holds that everyone saw a part of the log, without a hole, a repeat or another order.
func checkStretches(all []event.Entry, seen []stretch) error {
	var failed error
	for _, s := range seen {
		if len(s.entries) == 0 {
			continue
		}
		first := s.entries[0].Position.Offset
		from := indexAfter(all, first-1)
		if first <= s.after || s.exact && from != indexAfter(all, s.after) {
			failed = errors.Join(failed, fmt.Errorf("%s: begins with %d after %d", s.who, first, s.after))
		}
		to := min(len(all), from+len(s.entries))
		failed = errors.Join(failed, same(s.who, s.entries, all[from:to]))
	}
	return failed
}

// checkAnswers holds that the log is what was answered: each event at its position, each key once, batches together.
func checkAnswers(all []event.Entry, answers []answered) error {
	at := make(map[event.Position]int)
	for i, e := range all {
		at[e.Position] = i
	}
	keys := make(map[event.Key]event.Position)
	count := 2 // "begin" and "end"
	for _, a := range answers {
		var fresh []int
		for i, e := range a.events {
			where, there := at[a.positions[i]]
			if !there {
				return fmt.Errorf("%v was answered and never delivered", a.positions[i])
			}
			if first, known := keys[e.Key]; known && first != a.positions[i] {
				return fmt.Errorf("key %q is at %v and at %v", e.Key, first, a.positions[i])
			}
			if !e.Key.IsZero() {
				keys[e.Key] = a.positions[i]
			}
			if all[where].Event.Data == e.Data {
				fresh = append(fresh, where)
			} else if e.Key.IsZero() || all[where].Event.Key != e.Key {
				return fmt.Errorf("%v is %q, not %q", a.positions[i], all[where].Event.Data, e.Data)
			}
		}
		count += len(fresh)
		for i := range fresh {
			if fresh[i] != fresh[0]+i {
				return fmt.Errorf("a batch was torn apart: %v", a.positions)
			}
		}
	}
	if count != len(all) {
		return fmt.Errorf("%d events were kept, %d delivered", count, len(all))
	}
	return nil
}
