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

// life is a client's time with one log: from a position on, it got these events.
type life struct {
	epoch event.Epoch
	from  uint64
	got   map[uint64]int // how often, by offset
	last  uint64
	left  time.Time // when its stream ended last
}

// listener is one client that stays, whatever happens to its streams.
type listener struct {
	mu      sync.Mutex
	streams bool      // has one now
	leaving time.Time // when the server said that it ends the stream
	refused bool      // this stream only said to come back later
	highest int
	lives   []*life
	numbers map[int]int // how often each numbered event came, from whichever node
	goaways map[string][]time.Time
	resets  map[string]int
	ends    map[string]int  // why its streams ended
	waits   []time.Duration // from a stream's end to the next
	silent  int             // changes of the log nobody announced
}

// crowd is many listeners.
type crowd struct {
	clients []*listener
	leave   func() // and wait until all have left
}

func newCrowd(t *testing.T, base string, many int) *crowd {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	c := &crowd{leave: func() { cancel(); running.Wait() }}
	t.Cleanup(c.leave)
	for i := range many {
		l := &listener{numbers: map[int]int{}, goaways: map[string][]time.Time{}, resets: map[string]int{}, ends: map[string]int{}}
		c.clients = append(c.clients, l)
		connection := newClient(t, base, 2, address(i))
		running.Go(func() {
			err := connection.Subscribe(ctx, client.SubscribeRequest{Topics: []string{"numbers"}, Opened: l.opened, Waiting: l.waiting}, l.take)
			assert.NoError(t, err, "a client gave up for good")
		})
	}
	return c
}

func (l *listener) opened() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams = true
	if n := len(l.lives); n > 0 && !l.lives[n-1].left.IsZero() {
		l.waits = append(l.waits, time.Since(l.lives[n-1].left))
	}
}

func (l *listener) waiting(why error, _ time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends[why.Error()]++
	if n := len(l.lives); n > 0 && l.streams && !l.refused {
		if l.lives[n-1].left = l.leaving; l.leaving.IsZero() {
			l.lives[n-1].left = time.Now()
		}
	}
	l.streams, l.leaving, l.refused = false, time.Time{}, false
}

func (l *listener) take(m sse.Message) error {
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
	if n := len(l.lives); n == 0 || l.lives[n-1].epoch != at.Epoch {
		if n > 0 {
			l.silent++
		}
		if err := l.begin(m.ID, 1); err != nil {
			return err
		}
	}
	now := l.lives[len(l.lives)-1]
	now.got[at.Offset]++
	now.last = max(now.last, at.Offset)
	n, err := strconv.Atoi(m.Data)
	l.numbers[n]++
	l.highest = max(l.highest, n)
	return err
}

// begin starts a life after a position, or some places before it.
func (l *listener) begin(id string, before uint64) error {
	at, err := event.ParsePosition(id)
	l.lives = append(l.lives, &life{epoch: at.Epoch, from: at.Offset - before, last: at.Offset - before, got: map[uint64]int{}})
	return err
}

func reasonIn(data string) string {
	var said struct{ Reason string }
	if err := json.Unmarshal([]byte(data), &said); err != nil {
		return err.Error()
	}
	return said.Reason
}

// all reports whether something holds for every client.
func (c *crowd) all(holds func(*listener) bool) bool {
	return !slices.ContainsFunc(c.clients, func(l *listener) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return !holds(l)
	})
}

func (c *crowd) attached() bool { return c.all(func(l *listener) bool { return l.streams }) }

// heard reports whether all have an event of a number, or a later one.
func (c *crowd) heard(n int) bool { return c.all(func(l *listener) bool { return l.highest >= n }) }

// slack is how much before a stream's end an event must have been acknowledged to have to be on it for certain: what was
// acknowledged in the moment of the end may come after it in the log's walk.
const slack = 2 * time.Second

// check holds a client's account against what was acknowledged.
func (l *listener) check(t *testing.T, acks map[event.Position]ack) {
	t.Helper()
	assert.Zero(t, l.silent, "the log changed and no reset said so")
	for _, life := range l.lives {
		missing, late := life.missing(acks, slack)
		assert.Empty(t, missing, "acknowledged by a node that kept its log, with the client attached, and never delivered")
		assert.Empty(t, late, "acknowledged long before the stream's end, and never delivered")
		for offset, times := range life.got {
			assert.Equal(t, 1, times, "an event came again: %s-%d", life.epoch, offset)
		}
	}
	for number, times := range l.numbers {
		assert.LessOrEqual(t, times, 2, "number %d", number)
	}
}

// missing answers the acknowledged events a life should have had and had not: those before its last event, and those
// after it that were acknowledged a while before its stream ended.
func (l *life) missing(acks map[event.Position]ack, before time.Duration) (inside, after []event.Position) {
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

// report says what the crowd went through.
func (c *crowd) report(t *testing.T, terms []time.Time, acks map[event.Position]ack) {
	t.Helper()
	spread := make([]map[int]int, len(terms))
	for i := range spread {
		spread[i] = map[int]int{}
	}
	goaways, resets, ends := map[string]int{}, map[string]int{}, map[string]int{}
	var waits []time.Duration
	missed, strict, twice := 0, 0, 0
	longest := time.Duration(0)
	highest := slices.MaxFunc(c.clients, func(a, b *listener) int { return a.highest - b.highest }).highest
	for _, l := range c.clients {
		for reason, times := range l.goaways {
			goaways[reason] += len(times)
			for _, at := range times {
				term := len(terms) - 1
				for term > 0 && at.Before(terms[term]) {
					term--
				}
				if reason == "drain" {
					spread[term][int(at.Sub(terms[term]).Seconds())]++
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
		for _, life := range l.lives {
			_, after := life.missing(acks, 0)
			strict += len(after)
			for _, position := range after {
				longest = max(longest, life.left.Sub(acks[position].at))
			}
		}
	}
	for i, by := range spread {
		t.Logf("node %d: streams ended in each second after SIGTERM: %s", i, histogram(by))
	}
	slices.Sort(waits)
	if len(waits) > 0 {
		t.Logf("back after: median %s, 99 of 100 %s, longest %s", at(waits, 50), at(waits, 99), at(waits, 100))
	}
	t.Logf("goaways %v, resets %v, ends %v", goaways, resets, ends)
	t.Logf("%d clients × %d numbers: %d never came (announced by a reset), %d came from both nodes; %d acknowledged before a client had word of its stream's end, at most %s, and not on it",
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
