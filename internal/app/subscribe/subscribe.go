// Package subscribe is the use case of subscribing: it checks what a client asks for against the client's rights and
// the server's limits, and opens a stream. All transports share it, so that the rules are the same on each.
package subscribe

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// Errors of the [Subscriber].
var (
	// ErrTooManyStreams reports that the server has as many streams as its limit.
	ErrTooManyStreams = errors.New("the server has reached its limit of streams")
	// ErrTooManyClientStreams reports that the client's address has as many streams as its limit.
	ErrTooManyClientStreams = errors.New("this client has reached its limit of streams")
)

// Engine opens streams.
type Engine interface {
	Open(ctx context.Context, sub pubsub.Subscription) (*pubsub.Stream, error)
}

// Request is a subscription in the texts a client sent. LastEventID has precedence over Last, and Last over Since:
// the last event that a browser received has precedence over what is fixed in a URL.
type Request struct {
	Name        string   // of the stream, unique
	Address     string   // of the client
	Topics      []string // topics and patterns; none is the default
	LastEventID string
	Last        string // a number of events
	Since       string // a duration such as 5m, or an RFC 3339 time
	Latest      bool   // begin with the newest event of each topic; not together with Last or Since
	Presence    string // what to tell of who subscribes to the topics: "count", "members" or nothing
}

// Subscriber opens streams for clients. Its methods may be called concurrently.
type Subscriber struct {
	engine         Engine
	presence       Presence
	defaultPattern event.Pattern
	limits         atomic.Pointer[Limits]
	streams        *limiter
}

// New returns a subscriber with the given limits. The pattern is that of a request without topics.
func New(limits Limits, engine Engine, presence Presence, defaultPattern event.Pattern) (*Subscriber, error) {
	s := &Subscriber{engine: engine, presence: presence, defaultPattern: defaultPattern, streams: newLimiter()}
	return s, s.Reload(limits)
}

// Reload changes the limits for later requests; open streams stay. On an error the limits stay as they were.
func (s *Subscriber) Reload(limits Limits) error {
	if err := limits.Validate(); err != nil {
		return err
	}
	s.limits.Store(&limits)
	s.streams.set(limits.MaxStreams, limits.MaxStreamsPerIP)
	return nil
}

// Opened is a stream within the limits. Its admission must be released when the stream has ended.
type Opened struct {
	Stream    *pubsub.Stream
	Topics    int // how many topics and patterns it has
	Admission Admission
}

// Open opens a stream. Errors match those of this package, [event.ErrInvalid] or the engine's.
func (s *Subscriber) Open(ctx context.Context, rights access.Rights, req Request) (Opened, error) {
	sub, err := s.subscription(rights, req)
	if err != nil {
		return Opened{}, err
	}
	admission, err := s.Admit(req.Address)
	if err != nil {
		return Opened{}, err
	}
	opened, err := s.start(ctx, sub, admission)
	if err != nil {
		admission.Release()
	}
	return opened, err
}

// Admit counts a connection that can have streams as one stream. The admission must be released when it has ended.
func (s *Subscriber) Admit(address string) (Admission, error) { return s.streams.admit(address) }

// OpenAdmitted is [Subscriber.Open] for a stream that shares the place of a connection which was admitted.
func (s *Subscriber) OpenAdmitted(ctx context.Context, rights access.Rights, req Request) (Opened, error) {
	sub, err := s.subscription(rights, req)
	if err != nil {
		return Opened{}, err
	}
	return s.start(ctx, sub, Admission{})
}

func (s *Subscriber) start(ctx context.Context, sub pubsub.Subscription, admission Admission) (Opened, error) {
	stream, err := s.engine.Open(ctx, sub)
	if err != nil {
		return Opened{}, err
	}
	return Opened{Stream: stream, Topics: len(sub.Patterns), Admission: admission}, nil
}

// Renew continues an open stream with other rights of its subscriber. The request is the one that it was opened with. On
// an error, which matches [access.ErrForbidden] or [access.ErrExpiredToken], the stream keeps the rights it has.
func (s *Subscriber) Renew(stream *pubsub.Stream, rights access.Rights, req Request) error {
	sub, err := s.subscription(rights, req)
	if err != nil {
		return err
	}
	stream.Renew(sub.Grant, sub.Expires, sub.Credential)
	return nil
}

// subscription returns what a request asks for, if its sender may see any of it.
func (s *Subscriber) subscription(rights access.Rights, req Request) (sub pubsub.Subscription, err error) {
	sub = pubsub.Subscription{Name: req.Name, Grant: rights.Subscribe, Credential: rights.Credential, Member: rights.Member}
	if !rights.Expires.IsZero() {
		if !time.Now().Before(rights.Expires) {
			// The token is accepted within the leeway only. A stream would end at once and be opened again until the leeway ends.
			return sub, access.ErrExpiredToken
		}
		// With a monotonic reading, so that later jumps of the wall clock change nothing.
		sub.Expires = time.Now().Add(time.Until(rights.Expires))
	}
	if sub.Patterns, err = s.allowed(rights, req.Topics); err != nil {
		return sub, err
	}
	if sub.Notices, err = s.notices(rights, sub.Patterns, req.Presence); err != nil {
		return sub, err
	}
	sub.Start, err = parseStart(req)
	return sub, err
}

// allowed returns a request's patterns without duplicates, if its sender may see something of each.
func (s *Subscriber) allowed(rights access.Rights, texts []string) ([]event.Pattern, error) {
	patterns, err := s.patterns(texts)
	if err != nil {
		return nil, err
	}
	for _, pattern := range patterns {
		if !rights.Subscribe.Overlaps(pattern) {
			return nil, fmt.Errorf("topic %q is %w", pattern.String(), access.ErrForbidden)
		}
	}
	return patterns, nil
}

// patterns returns a request's patterns without duplicates.
func (s *Subscriber) patterns(texts []string) ([]event.Pattern, error) {
	if limit := s.limits.Load().TopicsPerStream; len(texts) > limit {
		return nil, &event.InvalidError{Field: "topic", Problem: fmt.Sprintf("is given %d times, at most %d are allowed", len(texts), limit)}
	}
	if len(texts) == 0 {
		return []event.Pattern{s.defaultPattern}, nil
	}
	patterns := make([]event.Pattern, 0, len(texts))
	known := make(map[event.Pattern]bool, len(texts))
	for _, text := range texts {
		pattern, err := event.ParsePattern(text)
		if err != nil {
			return nil, err
		}
		if !known[pattern] {
			known[pattern] = true
			patterns = append(patterns, pattern)
		}
	}
	return patterns, nil
}

// parseStart returns where a subscription starts.
func parseStart(req Request) (pubsub.Start, error) {
	switch {
	case req.LastEventID != "":
		return pubsub.After(req.LastEventID), nil
	case req.Latest && (req.Last != "" || req.Since != ""):
		return pubsub.Start{}, &event.InvalidError{Field: "latest", Problem: "cannot be combined with last or since"}
	case req.Latest:
		return pubsub.Latest(), nil
	case req.Last != "":
		n, err := strconv.Atoi(req.Last)
		if err != nil || n < 0 {
			return pubsub.Start{}, &event.InvalidError{Field: "last", Problem: "is not a number of events"}
		}
		return pubsub.Last(n), nil
	case req.Since != "":
		return parseSince(req.Since)
	}
	return pubsub.Start{}, nil
}

func parseSince(text string) (pubsub.Start, error) {
	if age, err := time.ParseDuration(text); err == nil && age >= 0 {
		return pubsub.Since(age), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return pubsub.Since(max(0, time.Since(at))), nil
	}
	return pubsub.Start{}, &event.InvalidError{Field: "since", Problem: "is neither a duration such as 5m nor an RFC 3339 time"}
}
