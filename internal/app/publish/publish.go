// Package publish is the use case of publishing: it checks what a client sends against the client's rights and the
// server's limits, and hands it to the engine. All transports share it, so that the rules are the same on each.
package publish

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// Engine appends events to the log.
type Engine interface {
	// Accepting returns why no events are accepted now, or nil.
	Accepting() error
	Publish(ctx context.Context, events ...event.Event) ([]pubsub.Appended, error)
}

// Request is an event in the texts a client sent.
type Request struct {
	Topics []string
	Type   string
	Retry  string // reconnection time in milliseconds; "" is unset
	Key    string // idempotency key; "" is none
	Data   string

	// ReadData, if set, returns the data in place of Data. It is called once everything else is valid, so that the
	// body of a request that is refused anyway need not be read. The data may have at most limit bytes.
	ReadData func(limit int64) (string, error)
}

// Publisher publishes for clients. Its methods may be called concurrently.
type Publisher struct {
	engine Engine
	limits atomic.Pointer[Limits]
	rates  *rateLimiter
}

// New returns a publisher with the given limits.
func New(limits Limits, engine Engine) (*Publisher, error) {
	rates, err := newRateLimiter()
	if err != nil {
		return nil, err
	}
	p := &Publisher{engine: engine, rates: rates}
	return p, p.Reload(limits)
}

// Reload changes the limits for later requests. On an error they stay as they were.
func (p *Publisher) Reload(limits Limits) error {
	if err := limits.Validate(); err != nil {
		return err
	}
	p.limits.Store(&limits)
	p.rates.set(limits.PublishRate, limits.PublishBurst)
	return nil
}

// Limits returns the limits in force.
func (p *Publisher) Limits() Limits { return *p.limits.Load() }

// Publish publishes one event and returns what became of it. Errors match those of this package, [event.ErrInvalid] or
// the engine's.
func (p *Publisher) Publish(ctx context.Context, rights access.Rights, req Request) (pubsub.Appended, error) {
	e, err := newEvent(*p.limits.Load(), rights, req)
	if err != nil {
		return pubsub.Appended{}, err
	}
	appended, err := p.append(ctx, rights, e)
	if err != nil {
		return pubsub.Appended{}, err
	}
	return appended[0], nil
}

// PublishBatch publishes events in order, all of them or none, and returns what became of each. A request that cannot be
// read comes with its error in the sequence; the first error, of reading or of checking, ends the batch and is
// returned as an [*ItemError]. So is an event whose key belongs to another one.
func (p *Publisher) PublishBatch(ctx context.Context, rights access.Rights, requests iter.Seq2[Request, error]) ([]pubsub.Appended, error) {
	limits := *p.limits.Load()
	var events []event.Event
	for req, err := range requests {
		if len(events) == limits.BatchEvents {
			return nil, fmt.Errorf("the batch has more than %d events: %w", limits.BatchEvents, ErrTooLarge)
		}
		var e event.Event
		if err == nil {
			e, err = newEvent(limits, rights, req)
		}
		if err != nil {
			return nil, &ItemError{Index: len(events), Err: err}
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return nil, ErrEmpty
	}
	appended, err := p.append(ctx, rights, events...)
	if reused, ok := errors.AsType[*pubsub.KeyReusedError](err); ok {
		return nil, &ItemError{Index: reused.Index, Err: err}
	}
	return appended, err
}

func (p *Publisher) append(ctx context.Context, rights access.Rights, events ...event.Event) ([]pubsub.Appended, error) {
	if err := p.engine.Accepting(); err != nil {
		return nil, err
	}
	if err := p.rates.take(rights.Subject, len(events)); err != nil {
		return nil, err
	}
	return p.engine.Publish(ctx, events...)
}
