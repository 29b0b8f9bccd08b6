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
	c := scenario{Limits: LargeLimits()}
	if a.SameProcess { // otherwise followers may miss what is trimmed
		c.Limits.Events = rapid.SampledFrom([]int{1, 10, 100, everything}).Draw(t, "events")
		c.Limits.Bytes = rapid.SampledFrom([]int64{3000, 30_000, 1 << 30}).Draw(t, "bytes")
	}
	batches := rapid.SliceOfN(rapid.SliceOfN(draftGen, 1, 5), 1, 30)
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

// run runs everything concurrently, and returns how the results differ from what the first follower got, which follows
// from the beginning to the end.
func (c scenario) run(t *testing.T, a Adapter) error {
	t.Helper()
	log := a.Open(t, c.Limits)
	reference := follow(t, log, 0)
	reference.upTo(t, publish(t, log, textEvent("begin"))[0].Offset)

	var mu sync.Mutex // guards results, segments and failed
	var results []batch
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
			for b, drafts := range batches {
				var events []event.Event
				for n, d := range drafts {
					events = append(events, d.event(fmt.Sprint(p, "/", b, "/", n)))
				}
				result, err := log.Append(t.Context(), events)
				refused := errors.Is(err, pubsub.ErrKeyReused)
				if refused {
					err = nil
				}
				mu.Lock()
				results, failed = append(results, batch{events, result, refused}), errors.Join(failed, err)
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
		record(segment{fmt.Sprint("follower ", i), f.after, c.Limits == LargeLimits(), got}, nil)
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
