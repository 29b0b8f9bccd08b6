package pubsub

import (
	"sync/atomic"

	"carillon/internal/domain/event"
)

// Audience is told which streams subscribe to a topic: to exactly this topic, not to a pattern that matches it. The
// shards call it, concurrently; it must be quick.
type Audience interface {
	Joined(sub *Subscription)
	Left(sub *Subscription)
}

// Attend tells the audience of a topic about the streams that subscribe to it now, and from then on about each that
// begins or ends to. It returns at once; attended is called, by some shard, when all have told what they had. A topic
// has at most one audience, and while it has none, its streams cost nothing for it.
func (e *Engine) Attend(topic event.Topic, audience Audience, attended func()) {
	var missing atomic.Int64 // shards that have not told yet
	missing.Store(int64(len(e.shards)))
	told := func() {
		if missing.Add(-1) == 0 {
			attended()
		}
	}
	for _, s := range e.shards {
		posted := s.post(message{kind: msgQuery, query: func() {
			s.index.attend(topic, audience)
			told()
		}})
		if !posted { // the shard has stopped and has no streams
			told()
		}
	}
}

// Unattend ends what [Engine.Attend] began. The audience may still be called until all shards have noticed.
func (e *Engine) Unattend(topic event.Topic) {
	for _, s := range e.shards {
		s.post(message{kind: msgQuery, query: func() { s.index.unattend(topic) }})
	}
}

// attend sets the audience of a topic and tells it of the streams there are.
func (x *index) attend(topic event.Topic, audience Audience) {
	m := x.membersOf(event.PatternOf(topic))
	m.audience = audience
	for _, member := range m.list {
		audience.Joined(&member.stream.sub)
	}
}

// unattend removes the audience of a topic.
func (x *index) unattend(topic event.Topic) {
	if m := x.topics[topic]; m != nil {
		m.audience = nil
		if len(m.list) == 0 {
			delete(x.topics, topic)
		}
	}
}
