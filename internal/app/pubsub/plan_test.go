package pubsub_test

import (
	"time"

	"pgregory.net/rapid"

	"carillon/internal/app/pubsub"
)

// step is one thing that happens to the engine. The meaning of its numbers depends on Do.
type step struct {
	Do      string
	N       int
	Stream  int
	Topics  []string
	Asked   []string // patterns
	Granted []string
	Start   startRequest
	Room    int
	Settle  bool // wait until everything is idle after it
}

// plan is a random run of an engine.
type plan struct {
	Window, Keep, Shards int
	Slow                 pubsub.SlowPolicy
	ReadTakes            time.Duration
	Steps                []step
}

var (
	someTopic   = rapid.SampledFrom([]string{"a", "b", "a/1", "a/2", "a/1/x", "b/1", "c"})
	somePattern = rapid.SampledFrom([]string{"a", "b", "a/1", "a/*", "a/**", "**", "*", "*/1", "c", "b/**", "*/*/x"})
	someDo      = rapid.SampledFrom([]string{
		"publish", "publish", "publish", "publish", "publish", "burst", "trim", "skip", "open", "open", "open",
		"room", "room", "room", "room", "stall", "ready", "end", "wait", "wait", "wait", "fail", "recover", "recover", "recover",
	})
)

func drawStep(t *rapid.T) step {
	s := step{Do: someDo.Draw(t, "do"), Settle: rapid.Bool().Draw(t, "settle")}
	switch s.Do {
	case "publish":
		s.N = rapid.IntRange(1, 8).Draw(t, "n")
		s.Topics = rapid.SliceOfN(someTopic, 1, 3).Draw(t, "topics")
	case "burst":
		s.N = rapid.IntRange(240, 300).Draw(t, "n")
		s.Topics = rapid.SliceOfN(someTopic, 1, 3).Draw(t, "topics")
	case "trim":
		s.N = rapid.IntRange(1, 20).Draw(t, "n")
	case "skip":
		s.N = rapid.IntRange(1, 3).Draw(t, "n")
	case "open":
		s.Asked = rapid.SliceOfN(somePattern, 1, 3).Draw(t, "asked")
		s.Granted = rapid.SliceOfN(rapid.SampledFrom([]string{"**", "**", "a/**", "a", "*"}), 1, 2).Draw(t, "granted")
		s.Room = rapid.IntRange(-1, 5).Draw(t, "room")
		s.Start = startRequest{kind: rapid.SampledFrom([]string{"next", "after", "after", "last", "since"}).Draw(t, "how")}
		s.N = rapid.IntRange(-2, 60).Draw(t, "before") // how far before the newest offset "after" goes
		s.Start.n = rapid.IntRange(0, 30).Draw(t, "last")
		s.Start.age = time.Duration(rapid.IntRange(0, 30).Draw(t, "since")) * time.Second
	case "room":
		s.Stream, s.Room = rapid.IntRange(0, 20).Draw(t, "stream"), rapid.IntRange(-1, 8).Draw(t, "room")
	case "stall", "ready", "end":
		s.Stream = rapid.IntRange(0, 20).Draw(t, "stream")
	case "wait":
		s.N = rapid.SampledFrom([]int{1, 30, 2000, 20_000, 20_000}).Draw(t, "ms")
	}
	return s
}

func drawPlan(t *rapid.T) plan {
	return plan{
		Window:    rapid.IntRange(1, 6).Draw(t, "window"),
		Keep:      rapid.SampledFrom([]int{0, 0, 3, 10, 300}).Draw(t, "keep"),
		Shards:    rapid.IntRange(1, 2).Draw(t, "shards"),
		Slow:      rapid.SampledFrom([]pubsub.SlowPolicy{pubsub.SlowClose, pubsub.SlowSkip}).Draw(t, "slow"),
		ReadTakes: rapid.SampledFrom([]time.Duration{0, 20 * time.Millisecond}).Draw(t, "read takes"),
		Steps:     rapid.SliceOfN(rapid.Custom(drawStep), 40, 100).Draw(t, "steps"),
	}
}
