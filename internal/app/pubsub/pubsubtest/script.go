package pubsubtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"carillon/internal/domain/event"
)

// script is a sequence of operations on a log.
type script struct {
	Limits Limits
	Steps  []step
}

// step is one of: append events, read a page, follow from an offset, stop a follower, wait.
type step struct {
	Do    string
	Batch []draft
	Back  int // how far before the newest offset to read or follow from
	Limit int
	Which int // follower
	Wait  time.Duration
}

// draft describes an event: its number of bytes, and its key if any. Events with the same key are the same event, unless
// Other is set.
type draft struct {
	Bytes int
	Key   string
	Other bool
}

func (d draft) event(name string) event.Event {
	if d.Key != "" {
		name, d.Bytes = d.Key, bytesOfKey[d.Key]
	}
	if d.Other {
		name += "!"
	}
	return keyed(name+strings.Repeat(".", d.Bytes), d.Key)
}

var bytesOfKey = map[string]int{"a": 0, "b": 100, "c": 1000, "d": 5000}

// draftGen generates drafts with few keys, so that they repeat, and sometimes an event larger than a whole small history.
var draftGen = rapid.Custom(func(t *rapid.T) draft {
	return draft{
		Bytes: rapid.SampledFrom([]int{0, 0, 1, 100, 1000, 5000}).Draw(t, "bytes"),
		Key:   rapid.SampledFrom([]string{"", "", "", "a", "b", "c", "d"}).Draw(t, "key"),
		Other: rapid.SampledFrom([]bool{false, false, false, false, true}).Draw(t, "other"),
	}
})

func drawScript(t *rapid.T, a Adapter) script {
	s := script{Limits: LargeLimits()}
	operations := []string{"append", "append", "append", "read", "read", "follow", "stop"}
	if a.Exact {
		s.Limits.Events = rapid.SampledFrom([]int{1, 3, 20, 64, 200}).Draw(t, "events")
		s.Limits.Bytes = rapid.SampledFrom([]int64{1, 2000, 4000, 1 << 30}).Draw(t, "bytes")
		s.Limits.Keys = rapid.SampledFrom([]int{1, 2, 3, 100}).Draw(t, "keys")
		if a.FakeTime {
			s.Limits.Age = rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(t, "age")
			s.Limits.KeyWindow = rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(t, "window")
			operations = append(operations, "wait", "wait")
		}
	}
	s.Steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step { return drawStep(t, operations) }), 1, 60).Draw(t, "steps")
	return s
}

func drawStep(t *rapid.T, operations []string) step {
	s := step{Do: rapid.SampledFrom(operations).Draw(t, "do")}
	switch s.Do {
	case "append":
		most := rapid.SampledFrom([]int{1, 3, 3, 100}).Draw(t, "most")
		s.Batch = rapid.SliceOfN(draftGen, 0, most).Draw(t, "batch")
	case "read":
		s.Back, s.Limit = rapid.IntRange(-3, 40).Draw(t, "back"), rapid.IntRange(1, 30).Draw(t, "limit")
	case "follow":
		s.Back = rapid.IntRange(-3, 40).Draw(t, "back")
	case "stop":
		s.Which = rapid.IntRange(0, 5).Draw(t, "which")
	case "wait":
		s.Wait = rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 20 * time.Second, time.Minute}).Draw(t, "wait")
	}
	return s
}

// modelFollower is a follower and what it should get.
type modelFollower struct {
	*follower
	after uint64
	want  []event.Entry
}

// run executes the steps, and returns the first difference of the log from the model.
func (s script) run(t *testing.T, a Adapter) error {
	t.Helper()
	log := a.Open(t, s.Limits)
	m := model{limits: s.Limits, epoch: log.Extent().Epoch}
	var followers []*modelFollower
	for i, step := range s.Steps {
		after := uint64(max(0, int(m.newest())-step.Back))
		var err error
		switch step.Do {
		case "append":
			var events []event.Event
			for n, d := range step.Batch {
				events = append(events, d.event(fmt.Sprint(i, "/", n)))
			}
			before := len(m.all)
			appended, appendErr := log.Append(t.Context(), events)
			if err = m.append(events, appended, appendErr, time.Now()); err != nil {
				break
			}
			for _, f := range followers {
				f.want = append(f.want, m.all[before:][indexAfter(m.all[before:], f.after):]...)
			}
		case "read":
			entries, readErr := log.Read(t.Context(), log.Extent().At(after), step.Limit)
			err = m.checkRead(after, step.Limit, entries, readErr, time.Now())
		case "follow":
			kept := m.kept(time.Now())
			kept = slices.Clone(kept[indexAfter(kept, after):])
			followers = append(followers, &modelFollower{follower: follow(t, log, after), after: after, want: kept})
			if a.FakeTime {
				synctest.Wait() // until it follows
			}
		case "stop":
			if step.Which < len(followers) {
				f := followers[step.Which]
				followers = slices.Delete(followers, step.Which, step.Which+1)
				err = f.end(t)
			}
		case "wait":
			wait(step.Wait)
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		if got, want := log.Extent(), m.extent(time.Now()); got != want {
			return fmt.Errorf("step %d: extent %v, want %v", i, got, want)
		}
	}
	for _, f := range followers {
		if err := f.end(t); err != nil {
			return err
		}
	}
	return nil
}

// end stops the follower once it got everything it should, and checks that it got nothing else.
func (f *modelFollower) end(t *testing.T) error {
	t.Helper()
	if n := len(f.want); n > 0 {
		f.upTo(t, f.want[n-1].Position.Offset)
	}
	f.stop()
	return same(fmt.Sprintf("follower after %d", f.after), f.got(), f.want)
}
