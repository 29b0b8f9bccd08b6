package presence

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// Types of presence events.
var (
	TypeCount   = event.ControlType("count")
	TypeMembers = event.ControlType("members")
	TypeChanged = event.ControlType("members.changed")
)

// maxPast is how many earlier lists an announcement can tell the changes from. A stream that is further behind gets the
// whole list again.
const maxPast = 8

// count is how many streams and members a topic has.
type count struct{ streams, members int }

// announcement is the state of a topic that its watchers are told. All of them share it and the events made of it.
type announcement struct {
	topic     event.Topic
	at        time.Time
	count     count
	listed    bool // list and truncated say something
	list      []access.Member
	truncated bool
	version   uint64 // of the list; the first is 1
	past      []pastList

	mu      sync.Mutex
	counted *pubsub.Item
	members *pubsub.Item
	changes map[uint64]*pubsub.Item // by the version that they begin with
}

// pastList is a list that was announced earlier.
type pastList struct {
	version uint64
	list    []access.Member
}

// follow sets the version of an announcement's list by what was announced before it.
func (a *announcement) follow(last *announcement) {
	same := a.listed == last.listed && a.truncated == last.truncated && equal(a.list, last.list)
	switch {
	case same:
		a.version, a.past, a.list = last.version, last.past, last.list
	case last.listed && !last.truncated && a.listed && !a.truncated:
		kept := last.past[max(0, len(last.past)-maxPast+1):]
		a.past = append(append(make([]pastList, 0, len(kept)+1), kept...), pastList{last.version, last.list})
		a.version = last.version + 1
	default:
		a.version = last.version + 1
	}
}

func equal(a, b []access.Member) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// countEvent returns the carillon.count.
func (a *announcement) countEvent() *pubsub.Item {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.counted == nil {
		a.counted = newEvent(a.topic, TypeCount, newCountData(a.topic, a.count))
	}
	return a.counted
}

// membersEvent returns the carillon.members.
func (a *announcement) membersEvent() *pubsub.Item {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.members == nil {
		a.members = newEvent(a.topic, TypeMembers, newMembersData(a.topic, a.count, a.list, a.truncated))
	}
	return a.members
}

// changedEvent returns the carillon.members.changed since an earlier version of the list, nil if nothing changed. It
// reports false if that version is no longer known.
func (a *announcement) changedEvent(since uint64) (*pubsub.Item, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if item, made := a.changes[since]; made {
		return item, true
	}
	for _, past := range a.past {
		if past.version != since {
			continue
		}
		joined, left := difference(past.list, a.list)
		if a.changes == nil {
			a.changes = make(map[uint64]*pubsub.Item)
		}
		var item *pubsub.Item
		if len(joined)+len(left) > 0 {
			item = newEvent(a.topic, TypeChanged, changedData{a.topic.String(), membersData(joined), membersData(left)})
		}
		a.changes[since] = item
		return item, true
	}
	return nil, false
}

// difference returns who is only in the newer of two sorted lists, or differs there, and who is only in the older one.
func difference(older, newer []access.Member) (joined, left []access.Member) {
	for len(older) > 0 || len(newer) > 0 {
		switch {
		case len(older) == 0 || len(newer) > 0 && newer[0].ID < older[0].ID:
			joined, newer = append(joined, newer[0]), newer[1:]
		case len(newer) == 0 || older[0].ID < newer[0].ID:
			left, older = append(left, older[0]), older[1:]
		default:
			if newer[0] != older[0] {
				joined = append(joined, newer[0])
			}
			older, newer = older[1:], newer[1:]
		}
	}
	return joined, left
}

// The data of the events.
type (
	countData struct {
		Topic   string `json:"topic"`
		Streams int    `json:"streams"`
		Members int    `json:"members"`
	}
	listData struct {
		Topic     string       `json:"topic"`
		Members   []memberData `json:"members"`
		Streams   int          `json:"streams"`
		Truncated bool         `json:"truncated,omitempty"`
		Count     int          `json:"count,omitempty"` // of the members, where they are not listed
	}
	changedData struct {
		Topic  string       `json:"topic"`
		Joined []memberData `json:"joined"`
		Left   []memberData `json:"left"`
	}
	memberData struct {
		ID   string          `json:"id"`
		Info json.RawMessage `json:"info,omitempty"`
	}
)

func newCountData(topic event.Topic, c count) countData {
	return countData{Topic: topic.String(), Streams: c.streams, Members: c.members}
}

func newMembersData(topic event.Topic, c count, list []access.Member, truncated bool) listData {
	d := listData{Topic: topic.String(), Members: membersData(list), Streams: c.streams, Truncated: truncated}
	if truncated {
		d.Count = c.members
	}
	return d
}

func membersData(list []access.Member) []memberData {
	data := make([]memberData, 0, len(list))
	for _, m := range list {
		data = append(data, memberData{ID: m.ID, Info: json.RawMessage(m.Info)})
	}
	return data
}

// newEvent returns an event about a topic.
func newEvent(topic event.Topic, kind event.Type, content any) *pubsub.Item {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(content); err != nil {
		panic(err) // infos are JSON objects, and all else is text and numbers
	}
	data, err := event.ParseData(strings.TrimSuffix(b.String(), "\n"))
	if err != nil {
		panic(err) // infos are UTF-8
	}
	return pubsub.NewNotice(topic, kind, data)
}
