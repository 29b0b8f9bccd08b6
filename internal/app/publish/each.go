package publish

import (
	"context"
	"errors"
	"slices"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// Result is what became of a request, or an error that matches those of this package, [event.ErrInvalid] or the engine's.
type Result struct {
	pubsub.Appended

	Err error
}

// PublishEach publishes the events of requests in order, each on its own: one that is refused does not affect the others.
// They are appended to the log together, which costs much less than one after the other. The results are in the order of
// the requests.
func (p *Publisher) PublishEach(ctx context.Context, rights access.Rights, requests []Request) []Result {
	results := make([]Result, len(requests))
	if err := p.engine.Accepting(); err != nil {
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	limits := *p.limits.Load()
	events := make([]event.Event, 0, len(requests))
	for i, req := range requests {
		e, err := newEvent(limits, rights, req)
		if err == nil {
			err = p.rates.take(rights.Subject, 1)
		}
		if results[i].Err = err; err == nil {
			events = append(events, e)
		}
	}
	if len(events) == 0 {
		return results
	}
	p.appendEach(ctx, events, results)
	return results
}

// appendEach appends the events of the results that have no error yet. An event whose key belongs to another one keeps
// the log from appending any, and gets that error; the others are appended without it.
func (p *Publisher) appendEach(ctx context.Context, events []event.Event, results []Result) {
	for len(events) > 0 {
		appended, err := p.engine.Publish(ctx, events...)
		reused, only := errors.AsType[*pubsub.KeyReusedError](err)
		next := 0
		for i := range results {
			if results[i].Err != nil {
				continue
			}
			switch {
			case err == nil:
				results[i].Appended = appended[next]
			case !only || next == reused.Index:
				results[i].Err = err
			}
			next++
		}
		if !only {
			return
		}
		events = slices.Delete(events, reused.Index, reused.Index+1)
	}
}
