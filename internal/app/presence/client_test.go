package presence_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

var errBroken = errors.New("broken pipe")

// client is the sink of a stream. It keeps what a page would: the newest counts, and the members by the lists and changes
// that came. It checks that the events are as promised.
type client struct {
	interval time.Duration

	mu        sync.Mutex
	full, bad bool
	counts    map[string]counted
	lists     map[string]map[string]string // by topic, infos by id
	truncated map[string]int
	texts     []string // type and data of each event
	last      map[string]time.Time
	problems  []string
	closed    bool
}

type counted struct{ Streams, Members int }

func newClient(interval time.Duration) *client {
	return &client{
		interval: interval, counts: map[string]counted{}, lists: map[string]map[string]string{}, truncated: map[string]int{},
		last: map[string]time.Time{},
	}
}

func (c *client) Send(items []*pubsub.Item) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.bad:
		return 0, errBroken
	case c.full:
		return 0, nil
	}
	for _, item := range items {
		if strings.HasPrefix(item.Event.Type.String(), event.ReservedPrefix) {
			c.take(item)
		}
	}
	return len(items), nil
}

func (c *client) take(item *pubsub.Item) {
	kind, data := strings.TrimPrefix(item.Event.Type.String(), event.ReservedPrefix), item.Event.Data.String()
	c.texts = append(c.texts, kind+" "+data)
	type member struct {
		ID   string
		Info json.RawMessage
	}
	var d struct {
		Topic            string
		Streams          int
		Members          json.RawMessage
		Joined, Left     []member
		Truncated        bool
		Count            int
		unexpectedMember struct{}
	}
	if err := json.Unmarshal([]byte(data), &d); err != nil {
		c.problems = append(c.problems, err.Error())
		return
	}
	if !item.Position.IsZero() || len(item.Event.Topics) != 1 || item.Event.Topics[0].String() != d.Topic {
		c.problems = append(c.problems, fmt.Sprintf("%s is at %v about %v", data, item.Position, item.Event.Topics))
	}
	now := time.Now()
	if last, known := c.last[d.Topic]; known && now.Sub(last) < c.interval*9/10 {
		c.problems = append(c.problems, fmt.Sprintf("%s %s came %s after the event before", kind, data, now.Sub(last)))
	}
	c.last[d.Topic] = now
	switch kind {
	case "count":
		var n counted
		n.Streams = d.Streams
		if err := json.Unmarshal(d.Members, &n.Members); err != nil {
			c.problems = append(c.problems, err.Error())
		}
		if c.counts[d.Topic] == n {
			c.problems = append(c.problems, "a count was repeated: "+data)
		}
		c.counts[d.Topic] = n
	case "members":
		var list []member
		if err := json.Unmarshal(d.Members, &list); err != nil {
			c.problems = append(c.problems, err.Error())
		}
		c.lists[d.Topic] = map[string]string{}
		delete(c.truncated, d.Topic)
		for _, m := range list {
			c.lists[d.Topic][m.ID] = string(m.Info)
		}
		if d.Truncated {
			c.truncated[d.Topic] = d.Count
			c.counts[d.Topic] = counted{d.Streams, d.Count}
			delete(c.lists, d.Topic)
		}
	case "members.changed":
		list := c.lists[d.Topic]
		if list == nil || len(d.Joined)+len(d.Left) == 0 {
			c.problems = append(c.problems, "a change of nothing: "+data)
			return
		}
		for _, m := range d.Joined {
			if info, known := list[m.ID]; known && info == string(m.Info) {
				c.problems = append(c.problems, m.ID+" joined twice")
			}
			list[m.ID] = string(m.Info)
		}
		for _, m := range d.Left {
			if _, known := list[m.ID]; !known {
				c.problems = append(c.problems, m.ID+" left and was not there")
			}
			delete(list, m.ID)
		}
	}
}

func (c *client) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bad {
		return errBroken
	}
	return nil
}

func (c *client) Heartbeat(event.Position) error { return c.Flush() }
func (c *client) Reset(pubsub.Reset) error       { return c.Flush() }

func (c *client) Close(pubsub.EndReason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

func (c *client) set(full, bad bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full, c.bad = full, bad
}

// Texts returns the events that came, and forgets them.
func (c *client) Texts() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	texts := c.texts
	c.texts = nil
	return texts
}

func (c *client) Count(topic string) counted {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[topic]
}

// IDs returns the members of the list, sorted.
func (c *client) IDs(topic string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := []string{}
	for id := range c.lists[topic] {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (c *client) Problems() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.problems)
}
