package pubsub

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Snapshot is what the engine holds at one moment.
type Snapshot struct {
	Streams map[string]int // by state: live, lagging, parked
	Topics  []TopicCount   // the topics and patterns with the most streams
	Slowest []StreamInfo   // the streams furthest behind
	Window  WindowInfo
	Latest  LatestInfo
	Log     Extent
}

// TopicCount is the number of streams that subscribe to a topic or pattern.
type TopicCount struct {
	Topic   string
	Streams int
}

// StreamInfo describes one stream to operators.
type StreamInfo struct {
	Name   string // the Name of its subscription
	State  string
	Behind uint64        // events between its cursor and the newest event, whether it wants them or not
	Parked time.Duration // how long its client has accepted nothing; zero if it is not parked
}

// WindowInfo is what the window holds.
type WindowInfo struct {
	Events int
	Bytes  int64
	Age    time.Duration // of the oldest event; zero when there is none
}

// Inspect returns what the engine holds, with at most n topics and n streams. It fails only if the context ends first.
func (e *Engine) Inspect(ctx context.Context, n int) (Snapshot, error) {
	snapshot := Snapshot{Streams: map[string]int{}, Window: e.Window(), Latest: e.Latest(), Log: e.log.Extent()}
	counts := map[string]int{}
	err := e.query(ctx, func(s *shard) {
		for _, st := range s.streams {
			snapshot.Streams[st.state.String()]++
			if st.state != stateLive {
				snapshot.Slowest = append(snapshot.Slowest, s.info(st))
			}
			for _, pattern := range st.sub.Patterns {
				counts[pattern.String()]++
			}
		}
		snapshot.Slowest = slowest(snapshot.Slowest, n)
	})
	if err != nil {
		return Snapshot{}, err // a shard may still run the query
	}
	for topic, streams := range counts {
		snapshot.Topics = append(snapshot.Topics, TopicCount{topic, streams})
	}
	slices.SortFunc(snapshot.Topics, func(a, b TopicCount) int {
		return cmp.Or(cmp.Compare(b.Streams, a.Streams), cmp.Compare(a.Topic, b.Topic))
	})
	snapshot.Topics = snapshot.Topics[:min(n, len(snapshot.Topics))]
	return snapshot, nil
}

// Ping returns nil once every shard has run, which shows that none of them hangs. It fails only if the context ends first.
func (e *Engine) Ping(ctx context.Context) error { return e.query(ctx, func(*shard) {}) }

// End ends the streams that the function selects, by name or patterns, and returns how many there were. It fails if the
// context ends first; some streams may have been ended then.
func (e *Engine) End(ctx context.Context, why EndReason, selects func(Subscription) bool) (int, error) {
	ended := 0
	err := e.query(ctx, func(s *shard) {
		for _, st := range slices.Clone(s.streams) {
			if selects(st.sub) {
				s.end(st, why)
				ended++
			}
		}
	})
	if err != nil {
		return 0, err // a shard may still run the query
	}
	return ended, nil
}

// Enforce ends the streams for which judge returns a reason, and returns how many there were. Streams that open later are
// judged too, so none that was on its way escapes. The shards call judge, so it must be quick; it must not be changed by
// calls that overlap. It fails if the context ends first; some streams may have been ended then.
func (e *Engine) Enforce(ctx context.Context, judge func(Subscription) EndReason) (int, error) {
	e.judge.Store(&judge)
	ended := 0
	err := e.query(ctx, func(s *shard) {
		for _, st := range slices.Clone(s.streams) {
			if why := judge(st.sub); why != "" {
				s.end(st, why)
				ended++
			}
		}
	})
	if err != nil {
		return 0, err // a shard may still run the query
	}
	return ended, nil
}

// verdict returns why a stream that opens may not, or "".
func (e *Engine) verdict(sub Subscription) EndReason {
	if judge := e.judge.Load(); judge != nil {
		return (*judge)(sub)
	}
	return ""
}

// Window returns what the window holds. Unlike [Engine.Inspect] it needs no shard, and costs next to nothing.
func (e *Engine) Window() WindowInfo { return e.window.info(time.Now()) }

// query calls a function in the goroutine of each shard, one after the other.
func (e *Engine) query(ctx context.Context, f func(*shard)) error {
	for _, s := range e.shards {
		done := make(chan struct{})
		if !s.post(message{kind: msgQuery, query: func() { defer close(done); f(s) }}) {
			continue // the shard has stopped and has no streams
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
	newest := s.engine.newest.Load()
	info := StreamInfo{Name: st.sub.Name, State: st.state.String(), Behind: newest - min(st.cursor, newest)}
	if st.state == stateParked {
		info.Parked = time.Duration(s.wheel.tick-st.lastWrite) * s.wheel.step
	}
	return info
}

// slowest returns the n streams that are furthest behind.
func slowest(streams []StreamInfo, n int) []StreamInfo {
	slices.SortFunc(streams, func(a, b StreamInfo) int {
		return cmp.Or(cmp.Compare(b.Parked, a.Parked), cmp.Compare(b.Behind, a.Behind), cmp.Compare(a.Name, b.Name))
	})
	return streams[:min(n, len(streams))]
}
