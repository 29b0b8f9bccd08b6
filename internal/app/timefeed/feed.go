// Package timefeed turns the ticks of the clock into events on the topic "clock".
//
// Guarantees:
//
//   - Each tick is one event of the default type, whose data is the tick's nominal time in the configured zone and
//     layout and whose key is that time too, so that a log that several nodes publish to keeps each tick once, also while
//     the nodes' zones or layouts differ.
//   - A failed publish loses its tick only: the clock continues. The [Observer] is called when publishing begins to fail
//     and when it works again.
//   - A publish that hangs is cancelled after a bounded time. The ticks it overlaps are skipped and counted; they are not
//     queued and do not follow in a burst.
package timefeed

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/clock"
	"carillon/internal/domain/event"
)

// Topic is the topic of the ticks.
var Topic = event.MustTopic("clock")

// Bounds of the time that one publish may take. Between them it is the interval. The lower bound lets a slow log work
// at short intervals, at the price of skipped ticks; the upper bound keeps a log that hangs from stopping the clock for
// the whole of a long interval.
const (
	minTimeout = time.Second
	maxTimeout = 5 * time.Second
)

// Publisher publishes the ticks. Publish returns when its context ends, at the latest.
type Publisher interface {
	Publish(ctx context.Context, events ...event.Event) ([]pubsub.Appended, error)
}

// Observer is notified of each tick, and once each when publishing begins to fail and when it works again. The
// goroutine of [Feed.Run] calls it, so it must not block.
type Observer interface {
	// Ticked reports how long after its nominal time a tick came, by the wall clock. It is called before publishing.
	Ticked(late time.Duration)
	// Failing reports why the first tick could not be published.
	Failing(err error)
	// Recovered reports how many ticks were not published.
	Recovered(lost uint64)
}

// Feed publishes the time. Its counters may be read at any time.
type Feed struct {
	enabled   bool
	ticker    *clock.Ticker
	zone      *time.Location
	layout    string
	timeout   time.Duration // of one publish
	publisher Publisher
	observer  Observer
	failed    atomic.Uint64
}

// New returns a feed that reads the wall clock from now, which is [time.Now] outside tests. Its errors are those of
// [Config.Validate].
func New(cfg Config, now func() time.Time, publisher Publisher, observer Observer) (*Feed, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	zone, err := cfg.location()
	if err != nil {
		return nil, err
	}
	ticker, err := clock.NewTicker(cfg.Interval, now)
	if err != nil {
		return nil, err
	}
	return &Feed{
		enabled:   cfg.Enabled,
		ticker:    ticker,
		zone:      zone,
		layout:    cfg.Layout,
		timeout:   min(max(cfg.Interval, minTimeout), maxTimeout),
		publisher: publisher,
		observer:  observer,
	}, nil
}

// Stats are the counters of the ticks so far.
type Stats struct {
	Ticks   uint64 // ticked
	Skipped uint64 // missed or jumped over, without a tick
	Failed  uint64 // ticked, but could not be published
}

// Stats returns the counters.
func (f *Feed) Stats() Stats {
	return Stats{Ticks: f.ticker.Ticks(), Skipped: f.ticker.Skipped(), Failed: f.failed.Load()}
}

// Run publishes each tick, or none if the clock is turned off, until the context ends; then it returns nil.
func (f *Feed) Run(ctx context.Context) error {
	if !f.enabled {
		<-ctx.Done()
		return nil
	}
	var lost uint64 // ticks since publishing began to fail
	f.ticker.Run(ctx, func(tick clock.Tick) {
		f.observer.Ticked(tick.Late)
		err := f.publish(ctx, tick)
		switch {
		case err != nil && ctx.Err() != nil: // stopping is not a failure
		case err != nil:
			f.failed.Add(1)
			if lost++; lost == 1 {
				f.observer.Failing(err)
			}
		case lost > 0:
			f.observer.Recovered(lost)
			lost = 0
		}
	})
	return nil
}

func (f *Feed) publish(ctx context.Context, tick clock.Tick) error {
	data, err := f.text(tick.Time)
	if err != nil {
		return err
	}
	key, err := keyOf(tick)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	_, err = f.publisher.Publish(ctx, event.Event{Topics: []event.Topic{Topic}, Data: data, Key: key})
	if errors.Is(err, pubsub.ErrKeyReused) {
		return nil // another node published the tick in its own zone or layout
	}
	return err
}

// keyOf returns the idempotency key of a tick: its nominal time, and for times that repeat because the wall clock was
// set back, the era. Without the era, a log that remembers the key would not publish the tick again.
func keyOf(tick clock.Tick) (event.Key, error) {
	key := fmt.Sprintf("clock/%d", tick.Time.UnixMilli())
	if tick.Era > 0 {
		key = fmt.Sprintf("%s/%d", key, tick.Era)
	}
	return event.ParseKey(key)
}
