package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"carillon/internal/client"
	"carillon/internal/domain/event"
	"carillon/internal/transport/sse"
)

// received is an event or a reset that a client received.
type received struct {
	reset string // the reason; "" for an event
	at    event.Position
	data  string
}

// subscriber is a client that reconnects whenever its stream ends, to whichever node the proxy chooses.
type subscriber struct {
	mu       sync.Mutex
	open     bool
	all      []received
	left     time.Time
	longest  time.Duration // without a stream
	attempts int           // to connect, after the first
}

// subscribers are many clients on one topic.
type subscribers struct {
	list  []*subscriber
	leave func() // ends the streams and waits for all clients
}

// subscribe starts n clients of a topic.
func subscribe(t *testing.T, n int, base, topic string) *subscribers {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	group := &subscribers{leave: func() { cancel(); running.Wait() }}
	t.Cleanup(group.leave)
	for range n {
		s := &subscriber{}
		group.list = append(group.list, s)
		c := newClient(t, base)
		running.Go(func() {
			err := c.Subscribe(ctx, client.SubscribeRequest{Topics: []string{topic}, Opened: s.opened, Waiting: s.waiting}, s.take)
			assert.NoError(t, err, "a client gave up")
		})
	}
	until(t, "all clients have a stream", group.connected)
	return group
}

func (s *subscriber) opened() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = true
	if !s.left.IsZero() {
		s.longest = max(s.longest, time.Since(s.left))
	}
}

func (s *subscriber) waiting(error, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	if s.open {
		s.left = time.Now()
	}
	s.open = false
}

func (s *subscriber) take(m client.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Type == sse.TypeGoaway {
		var content struct{ Reason string }
		if err := json.Unmarshal([]byte(m.Data), &content); err == nil && content.Reason != "drain" && s.open {
			s.open, s.left = false, time.Now() // a refusal, which is sent as a stream
		}
		return nil
	}
	at, err := event.ParsePosition(m.ID)
	if err != nil {
		return err
	}
	r := received{at: at, data: m.Data}
	if m.Type == sse.TypeReset {
		var content struct{ Reason string }
		if err := json.Unmarshal([]byte(m.Data), &content); err != nil {
			return err
		}
		r.reset, r.data = content.Reason, ""
	}
	s.all = append(s.all, r)
	return nil
}

func (g *subscribers) every(holds func(*subscriber) bool) bool {
	for _, s := range g.list {
		s.mu.Lock()
		ok := holds(s)
		s.mu.Unlock()
		if !ok {
			return false
		}
	}
	return true
}

func (g *subscribers) connected() bool { return g.every(func(s *subscriber) bool { return s.open }) }

// have waits until every client has an event.
func (g *subscribers) have(t *testing.T, data string) {
	t.Helper()
	until(t, "every client has the event "+data, func() bool {
		return g.every(func(s *subscriber) bool {
			return slices.ContainsFunc(s.all[max(0, len(s.all)-100):], func(r received) bool { return r.data == data })
		})
	})
}

// resets returns how many resets of each reason were received.
func (g *subscribers) resets() map[string]int {
	count := map[string]int{}
	g.every(func(s *subscriber) bool {
		for _, r := range s.all {
			if r.reset != "" {
				count[r.reset]++
			}
		}
		return true
	})
	return count
}

// check compares what the clients received with each other and with what was acknowledged: one order, no repeat, and no gap
// without a reset.
func (g *subscribers) check(t *testing.T, acks map[event.Position]string) {
	t.Helper()
	order := maps.Clone(acks) // what all clients agree on
	for i, s := range g.list {
		for _, r := range s.all {
			if r.reset != "" {
				continue
			}
			if known, ok := order[r.at]; ok && known != r.data {
				assert.Fail(t, "two events at one position", "client %d: %v is %q and %q", i, r.at, r.data, known)
				return
			}
			order[r.at] = r.data
		}
	}
	byOffset := map[event.Epoch]map[uint64]bool{}
	for at := range order {
		if byOffset[at.Epoch] == nil {
			byOffset[at.Epoch] = map[uint64]bool{}
		}
		byOffset[at.Epoch][at.Offset] = true
	}
	for i, s := range g.list {
		if err := s.check(byOffset); err != nil {
			assert.NoError(t, err, "client %d", i)
			return
		}
	}
}

// check returns an error unless the events rise without a gap, except after resets.
func (s *subscriber) check(known map[event.Epoch]map[uint64]bool) error {
	var at event.Position
	for i, r := range s.all {
		switch {
		case r.reset != "":
			at = r.at
			continue
		case i == 0:
		case r.at.Epoch != at.Epoch:
			return fmt.Errorf("the epoch changed from %v to %v without a reset", at, r.at)
		case r.at.Offset <= at.Offset:
			return fmt.Errorf("%v came after %v", r.at, at)
		default:
			for missing := at.Offset + 1; missing < r.at.Offset; missing++ {
				if known[at.Epoch][missing] {
					return fmt.Errorf("%s-%d is missing between %v and %v", at.Epoch, missing, at, r.at)
				}
			}
		}
		at = r.at
	}
	return nil
}
