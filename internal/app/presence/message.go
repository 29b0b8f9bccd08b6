package presence

import (
	"encoding/json"
	"strings"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// message is what a node tells all others. Topics and members are repeated in as many messages as they need.
type message struct {
	Node     string    `json:"node"` // the sender, unique for each start of a process
	Bye      bool      `json:"bye,omitempty"`
	Watches  []string  `json:"watches,omitempty"`  // topics that the sender watches
	Wants    []want    `json:"wants,omitempty"`    // states that the sender needs
	Versions []version `json:"versions,omitempty"` // of the states that the sender has sent
	Changes  []change  `json:"changes,omitempty"`
	States   []state   `json:"states,omitempty"`
}

// want asks for all that a node knows of a topic; the sender also watches it.
type want struct {
	Topic string `json:"topic"`
	Node  string `json:"node,omitempty"` // who is asked; "" for every node
}

// version identifies what a node has said about a topic. A later one is greater.
type version struct {
	Topic   string `json:"topic"`
	Version uint64 `json:"version"`
}

// change leads from one version of what the sender knows of a topic to the next.
type change struct {
	version

	Before  uint64       `json:"before"` // the version that it changes
	Streams int          `json:"streams"`
	Joined  []memberData `json:"joined,omitempty"` // or with a new info
	Left    []string     `json:"left,omitempty"`
}

// state is a part of all that the sender knows of a topic.
type state struct {
	version

	Part    int          `json:"part"` // the first is 0
	Parts   int          `json:"parts"`
	Streams int          `json:"streams"`
	Members []memberData `json:"members,omitempty"`
}

// decode returns a message, or nil for text that is none. Members get an info that is safe to write.
func decode(text []byte) *message {
	var m message
	if json.Unmarshal(text, &m) != nil || m.Node == "" {
		return nil
	}
	return &m
}

// memberOf returns the member that another node named.
func memberOf(d memberData) access.Member {
	m := access.Member{ID: d.ID}
	if len(d.Info) > 0 && len(d.Info) <= access.MaxInfo {
		m.Info = strings.ToValidUTF8(string(d.Info), "\uFFFD")
	}
	return m
}

// topicOf returns a topic that another node named.
func topicOf(text string) (event.Topic, bool) {
	topic, err := event.ParseTopic(text)
	return topic, err == nil
}

// packer collects what a node tells in messages of about [MaxMessage] bytes.
type packer struct {
	node string
	send func([]byte)
	m    message
	size int // about
}

// overhead is about what a topic, a version or a member takes in JSON beside its text.
const overhead = 64

func (p *packer) add(size int, to func(*message)) {
	if p.size > 0 && p.size+size > MaxMessage {
		p.flush()
	}
	p.size += size + overhead
	to(&p.m)
}

// hello makes the next flush send a message even if there is nothing to tell.
func (p *packer) hello() { p.size++ }

// flush sends what was collected.
func (p *packer) flush() {
	if p.size == 0 {
		return
	}
	p.m.Node = p.node
	text, err := json.Marshal(p.m)
	if err != nil {
		panic(err) // infos are JSON objects, and all else is text and numbers
	}
	p.send(text)
	p.m, p.size = message{}, 0
}
