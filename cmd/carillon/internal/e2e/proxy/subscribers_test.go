package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"carillon/internal/client"
	"carillon/internal/domain/event"
	"carillon/internal/transport/sse"
)

// epochLog is what a client received of the log of one epoch, from a position on.
type epochLog struct {
	epoch event.Epoch
	from  uint64
	got   map[uint64]int // how often, by offset
	last  uint64
	left  time.Time // when its last stream ended
}

// subscriber is a client that reconnects whenever its stream ends.
type subscriber struct {
	mu      sync.Mutex
	streams bool      // has an open stream
	leaving time.Time // when the server announced the end of the stream
	refused bool      // this stream only told it to come back later
	highest int
	epochs  []*epochLog
	numbers map[int]int // how often each numbered event arrived, from either node
	goaways map[string][]time.Time
	resets  map[string]int
	ends    map[string]int  // why its streams ended
	waits   []time.Duration // from the end of a stream to the next one
	silent  int             // changes of the epoch without a reset
}

// subscribers are many clients.
type subscribers struct {
	clients []*subscriber
	leave   func() // ends the streams and waits for all clients
}

func newSubscribers(t *testing.T, base string, many int) *subscribers {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	c := &subscribers{leave: func() { cancel(); running.Wait() }}
	t.Cleanup(c.leave)
	for i := range many {
		l := &subscriber{numbers: map[int]int{}, goaways: map[string][]time.Time{}, resets: map[string]int{}, ends: map[string]int{}}
		c.clients = append(c.clients, l)
		connection := newClient(t, base, 2, address(i))
		running.Go(func() {
			err := connection.Subscribe(ctx, client.SubscribeRequest{Topics: []string{"numbers"}, Opened: l.opened, Waiting: l.waiting}, l.take)
			assert.NoError(t, err, "a client gave up")
		})
	}
	return c
}

func (l *subscriber) opened() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams = true
	if n := len(l.epochs); n > 0 && !l.epochs[n-1].left.IsZero() {
		l.waits = append(l.waits, time.Since(l.epochs[n-1].left))
	}
}

func (l *subscriber) waiting(why error, _ time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends[why.Error()]++
	if n := len(l.epochs); n > 0 && l.streams && !l.refused {
		if l.epochs[n-1].left = l.leaving; l.leaving.IsZero() {
			l.epochs[n-1].left = time.Now()
		}
	}
	l.streams, l.leaving, l.refused = false, time.Time{}, false
}

func (l *subscriber) take(m client.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch m.Type {
	case sse.TypeGoaway:
		reason := reasonIn(m.Data)
		l.leaving, l.refused = time.Now(), reason != "drain"
		l.goaways[reason] = append(l.goaways[reason], l.leaving)
		return nil
	case sse.TypeReset:
		l.resets[reasonIn(m.Data)]++
		return l.begin(m.ID, 0)
	}
	at, err := event.ParsePosition(m.ID)
	if err != nil {
		return err
	}
	if n := len(l.epochs); n == 0 || l.epochs[n-1].epoch != at.Epoch {
		if n > 0 {
			l.silent++
		}
		if err := l.begin(m.ID, 1); err != nil {
			return err
		}
	}
	now := l.epochs[len(l.epochs)-1]
	now.got[at.Offset]++
	now.last = max(now.last, at.Offset)
	n, err := strconv.Atoi(m.Data)
	l.numbers[n]++
	l.highest = max(l.highest, n)
	return err
}

// begin starts an epoch after a position, or some offsets before it.
func (l *subscriber) begin(id string, before uint64) error {
	at, err := event.ParsePosition(id)
	l.epochs = append(l.epochs, &epochLog{epoch: at.Epoch, from: at.Offset - before, last: at.Offset - before, got: map[uint64]int{}})
	return err
}

func reasonIn(data string) string {
	var content struct{ Reason string }
	if err := json.Unmarshal([]byte(data), &content); err != nil {
		return err.Error()
	}
	return content.Reason
}

// all reports whether something holds for every client.
func (c *subscribers) all(holds func(*subscriber) bool) bool {
	return !slices.ContainsFunc(c.clients, func(l *subscriber) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return !holds(l)
	})
}

func (c *subscribers) connected() bool { return c.all(func(l *subscriber) bool { return l.streams }) }

// received reports whether all clients have the event of this number or a later one.
func (c *subscribers) received(n int) bool {
	return c.all(func(l *subscriber) bool { return l.highest >= n })
}

// slack is how long before the end of a stream an event must have been acknowledged so that the stream must have it. An
// event that is acknowledged at the moment of the end may be delivered after it.
const slack = 2 * time.Second

// check compares what a client received with what was acknowledged.
func (l *subscriber) check(t *testing.T, acks map[event.Position]ack) {
	t.Helper()
	assert.Zero(t, l.silent, "the epoch changed without a reset")
	for _, e := range l.epochs {
		missing, late := e.missing(acks, slack)
		assert.Empty(t, missing, "acknowledged while the client was connected, and not delivered")
		assert.Empty(t, late, "acknowledged long before the end of the stream, and not delivered")
		for offset, times := range e.got {
			assert.Equal(t, 1, times, "an event was delivered more than once: %s-%d", e.epoch, offset)
		}
	}
	for number, times := range l.numbers {
		assert.LessOrEqual(t, times, 2, "number %d", number)
	}
}

// missing returns the acknowledged events that should have been received and were not: those before the last event, and
// those after it that were acknowledged a while before the stream ended.
func (l *epochLog) missing(acks map[event.Position]ack, before time.Duration) (inside, after []event.Position) {
	for at, ack := range acks {
		if at.Epoch != l.epoch || at.Offset <= l.from || l.got[at.Offset] > 0 {
			continue
		}
		if at.Offset < l.last {
			inside = append(inside, at)
		} else if !l.left.IsZero() && ack.at.Before(l.left.Add(-before)) {
			after = append(after, at)
		}
	}
	return inside, after
}

// report logs what the clients experienced.
func (c *subscribers) report(t *testing.T, stops []time.Time, acks map[event.Position]ack) {
	t.Helper()
	spread := make([]map[int]int, len(stops))
	for i := range spread {
		spread[i] = map[int]int{}
	}
	goaways, resets, ends := map[string]int{}, map[string]int{}, map[string]int{}
	var waits []time.Duration
	missed, strict, twice := 0, 0, 0
	longest := time.Duration(0)
	highest := slices.MaxFunc(c.clients, func(a, b *subscriber) int { return a.highest - b.highest }).highest
	for _, l := range c.clients {
		for reason, times := range l.goaways {
			goaways[reason] += len(times)
			for _, at := range times {
				stop := len(stops) - 1
				for stop > 0 && at.Before(stops[stop]) {
					stop--
				}
				if reason == "drain" {
					spread[stop][int(at.Sub(stops[stop]).Seconds())]++
				}
			}
		}
		sum(resets, l.resets)
		sum(ends, l.ends)
		waits = append(waits, l.waits...)
		for n := 1; n <= highest; n++ {
			switch times := l.numbers[n]; {
			case times == 0:
				missed++
			case times > 1:
				twice++
			}
		}
		for _, e := range l.epochs {
			_, after := e.missing(acks, 0)
			strict += len(after)
			for _, position := range after {
				longest = max(longest, e.left.Sub(acks[position].at))
			}
		}
	}
	for i, by := range spread {
		t.Logf("node %d: streams ended in each second after SIGTERM: %s", i, histogram(by))
	}
	slices.Sort(waits)
	if len(waits) > 0 {
		t.Logf("reconnected after: median %s, 99 of 100 %s, longest %s", at(waits, 50), at(waits, 99), at(waits, 100))
	}
	t.Logf("goaways %v, resets %v, ends %v", goaways, resets, ends)
	t.Logf("%d clients × %d numbers: %d did not arrive (reported by a reset), %d arrived from both nodes; %d acknowledged before the client knew of the end of its stream, at most %s, and not delivered on it",
		len(c.clients), highest, missed, twice, strict, longest)
}

func sum(into, from map[string]int) {
	for key, n := range from {
		into[key] += n
	}
}

func at(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)-1)*percent/100].Round(time.Millisecond)
}

func histogram(by map[int]int) string {
	var text strings.Builder
	for second := range 60 {
		if by[second] > 0 {
			fmt.Fprintf(&text, " %ds:%d", second, by[second])
		}
	}
	return text.String()
}
