package subscribe

import (
	"context"
	"fmt"

	"carillon/internal/app/presence"
	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// Presence knows who subscribes to a topic. See [presence.Presence].
type Presence interface {
	Watch(kind presence.Kind, topics []event.Topic) pubsub.Notices
	Read(ctx context.Context, kind presence.Kind, topics []event.Topic) ([]presence.Report, error)
	// PublicCount reports whether whoever may subscribe to a topic may see its count.
	PublicCount() bool
}

// PresenceRequest asks who subscribes to topics, in the texts a client sent.
type PresenceRequest struct {
	Topics []string // none is the default
	Kind   string   // "count", which is the default, or "members"
}

// Presence returns who subscribes to topics. Errors match those of this package, [event.ErrInvalid] or the context's.
func (s *Subscriber) Presence(ctx context.Context, rights access.Rights, req PresenceRequest) ([]presence.Report, error) {
	patterns, err := s.allowed(rights, req.Topics)
	if err != nil {
		return nil, err
	}
	kind, err := parseKind(req.Kind)
	if err != nil {
		return nil, err
	}
	kind = max(kind, presence.Count)
	topics, err := s.visible(rights, kind, patterns)
	if err != nil {
		return nil, err
	}
	return s.presence.Read(ctx, kind, topics)
}

// notices returns what a stream is told of its topics, nil if it does not ask for anything.
func (s *Subscriber) notices(rights access.Rights, patterns []event.Pattern, text string) (pubsub.Notices, error) {
	kind, err := parseKind(text)
	if err != nil || kind == presence.None {
		return nil, err
	}
	topics, err := s.visible(rights, kind, patterns)
	if err != nil {
		return nil, err
	}
	return s.presence.Watch(kind, topics), nil
}

func parseKind(text string) (presence.Kind, error) {
	switch text {
	case "":
		return presence.None, nil
	case "count":
		return presence.Count, nil
	case "members":
		return presence.Members, nil
	}
	return presence.None, &event.InvalidError{Field: "presence", Problem: `must be "count" or "members"`}
}

// visible returns the topics of patterns whose presence the client may see.
func (s *Subscriber) visible(rights access.Rights, kind presence.Kind, patterns []event.Pattern) ([]event.Topic, error) {
	topics := make([]event.Topic, 0, len(patterns))
	for _, pattern := range patterns {
		topic, plain := pattern.Topic()
		switch {
		case !plain:
			return nil, &event.InvalidError{Field: "presence", Problem: "is that of topics, and one of the topics is a pattern with wildcards"}
		case kind == presence.Count && s.presence.PublicCount(), rights.Presence.Allows(topic):
			topics = append(topics, topic)
		default:
			return nil, fmt.Errorf("presence of topic %q is %w", topic.String(), access.ErrForbidden)
		}
	}
	return topics, nil
}
