package pubsub

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Snapshot is what the engine holds at a moment.
type Snapshot struct {
	Streams map[string]int // by state: live, lagging, parked
	Topics  []TopicCount   // the topics and patterns with most streams
	Slowest []StreamInfo   // the streams furthest behind
	Window  WindowInfo
	Log     Extent
}

// TopicCount is how many streams ask for a topic or pattern.
type TopicCount struct {
	Topic   string
	Streams int
}

// StreamInfo is one stream, for whoever looks after the server.
type StreamInfo struct {
	Name   string // as its subscription has it
	State  string
	Behind uint64        // events between it and the head, whether it wants them or not
	Parked time.Duration // how long its client has taken nothing; zero if it is not parked
}

// WindowInfo is what the window holds.
type WindowInfo struct {
	Events int
	Bytes  int64
	Age    time.Duration // of the oldest event; zero when there is none
}

// Inspect answers what the engine holds, with at most n topics and n streams. It fails only when the context ends first.
func (p *Engine) Inspect(ctx context.Context, n int) (Snapshot, error) {
	sum := Snapshot{Streams: map[string]int{}, Window: p.Window(), Log: p.log.Extent()}
	counts := map[string]int{}
	err := p.ask(ctx, func(s *shard) {
		for _, st := range s.roll {
			sum.Streams[st.state.String()]++
			if st.state != stateLive {
				sum.Slowest = append(sum.Slowest, s.info(st))
			}
			for _, pattern := range st.sub.Patterns {
				counts[pattern.String()]++
			}
		}
		sum.Slowest = slowest(sum.Slowest, n)
	})
	if err != nil {
		return Snapshot{}, err // a shard may still be answering
	}
	for topic, streams := range counts {
		sum.Topics = append(sum.Topics, TopicCount{topic, streams})
	}
	slices.SortFunc(sum.Topics, func(a, b TopicCount) int {
		return cmp.Or(cmp.Compare(b.Streams, a.Streams), cmp.Compare(a.Topic, b.Topic))
	})
	sum.Topics = sum.Topics[:min(n, len(sum.Topics))]
	return sum, nil
}

// Answers reports whether every shard is there to serve its streams. It fails only when the context ends first.
func (p *Engine) Answers(ctx context.Context) error { return p.ask(ctx, func(*shard) {}) }

// End ends the streams that which selects, by name and patterns, and answers how many there were. When the context ends
// first it fails, and some may have been ended.
func (p *Engine) End(ctx context.Context, why EndReason, which func(Subscription) bool) (int, error) {
	ended := 0
	err := p.ask(ctx, func(s *shard) {
		for _, st := range slices.Clone(s.roll) {
			if which(st.sub) {
				s.end(st, why)
				ended++
			}
		}
	})
	if err != nil {
		return 0, err // a shard may still be answering
	}
	return ended, nil
}

// Window answers what the window holds. Unlike [Engine.Inspect] it asks no shard, and costs next to nothing.
func (p *Engine) Window() WindowInfo { return p.window.info(time.Now()) }

// ask runs a question in each shard's goroutine, one after the other.
func (p *Engine) ask(ctx context.Context, question func(*shard)) error {
	for _, s := range p.shards {
		done := make(chan struct{})
		if !s.post(message{what: msgAsk, ask: func() { defer close(done); question(s) }}) {
			continue // it has stopped, and holds nothing
		}
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *shard) info(st *Stream) StreamInfo {
	info := StreamInfo{Name: st.sub.Name, State: st.state.String(), Behind: s.pub.head.Load() - min(st.cursor, s.pub.head.Load())}
	if st.state == stateParked {
		info.Parked = time.Duration(s.wheel.tick-st.wrote) * s.wheel.step
	}
	return info
}

// slowest keeps the n streams that are furthest behind.
func slowest(streams []StreamInfo, n int) []StreamInfo {
	slices.SortFunc(streams, func(a, b StreamInfo) int {
		return cmp.Or(cmp.Compare(b.Parked, a.Parked), cmp.Compare(b.Behind, a.Behind), cmp.Compare(a.Name, b.Name))
	})
	return streams[:min(n, len(streams))]
}
