package presence

import (
	"context"
	"encoding/json"
	"time"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// readTimeout is how long [Presence.Read] waits for other nodes.
const readTimeout = 500 * time.Millisecond

// Report is what is known of a topic at one moment. Its JSON form is the data of carillon.count, or of carillon.members.
type Report struct {
	topic     event.Topic
	kind      Kind
	count     count
	list      []access.Member
	truncated bool
}

// MarshalJSON implements [json.Marshaler].
func (r Report) MarshalJSON() ([]byte, error) {
	if r.kind == Members {
		return json.Marshal(newMembersData(r.topic, r.count, r.list, r.truncated))
	}
	return json.Marshal(newCountData(r.topic, r.count))
}

// Read returns what is known of topics. For a topic that this node did not watch before it waits for the other nodes,
// not longer than half a second. It fails only if the context ends.
func (p *Presence) Read(ctx context.Context, kind Kind, topics []event.Topic) ([]Report, error) {
	deadline := time.Now().Add(readTimeout)
	rooms := make([]*room, len(topics))
	for i, topic := range topics {
		p.enter(topic, func(r *room) {
			if !r.watchedHere() && p.peers != nil {
				p.peers.ask(topic)
			}
			r.readers++
			rooms[i] = r
		})
	}
	defer func() {
		for _, r := range rooms {
			r.mu.Lock()
			r.readers--
			r.schedule()
			r.mu.Unlock()
		}
	}()
	reports := make([]Report, len(topics))
	for i, r := range rooms {
		if err := r.await(ctx, deadline); err != nil {
			return nil, err
		}
		r.mu.Lock()
		reports[i] = Report{topic: r.topic, kind: kind, count: r.count()}
		if kind == Members {
			reports[i].list, reports[i].truncated = r.list()
		}
		r.mu.Unlock()
	}
	return reports, nil
}

// await waits until the shards and the other nodes have told of their streams; not for other nodes after the deadline.
func (r *room) await(ctx context.Context, deadline time.Time) error {
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	late := timeout.C
	for late != nil || !r.isComplete() {
		progress := r.missing()
		if progress == nil {
			return nil
		}
		select {
		case <-progress:
		case <-late:
			late = nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (r *room) isComplete() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.complete
}

// missing returns nil if the shards and all known nodes have told of their streams, else a channel that is closed when
// more have.
func (r *room) missing() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.complete
	if ps := r.presence.peers; ps != nil {
		for _, node := range ps.nodes() {
			side := r.remote[node]
			all = all && side != nil && side.version > 0
		}
	}
	if all {
		return nil
	}
	if r.progress == nil {
		r.progress = make(chan struct{})
	}
	return r.progress
}
