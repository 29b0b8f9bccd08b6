package publish

import (
	"context"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// Result is what became of a request: a position, or an error that matches those of this package, [event.ErrInvalid] or the
// engine's.
type Result struct {
	Position event.Position
	Err      error
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
	positions, err := p.engine.Publish(ctx, events...)
	next := 0
	for i := range results {
		switch {
		case results[i].Err != nil:
		case err != nil:
			results[i].Err = err
		default:
			results[i].Position = positions[next]
			next++
		}
	}
	return results
}
