// Package timefeed turns the ticks of the clock into events on the topic "clock".
//
// What it promises:
//
//   - Each tick is one event of the default type, whose data is the tick's nominal time in the configured zone and
//     layout and whose key is that time too, so that a log that several nodes publish to keeps each tick once.
//   - Publishing that fails costs that tick and nothing else: the clock goes on. The [Observer] is told when it begins
//     to fail and when it works again.
//   - Publishing that hangs is given up after a bounded time. The ticks it overlaps are skipped and counted; they
//     never pile up and never come in a burst.
package timefeed

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"carillon/internal/domain/clock"
	"carillon/internal/domain/event"
)

// Topic is what ticks are about.
var Topic = event.MustTopic("clock")

// Bounds of the time one publish may take. Between them it is the interval: a log that is far away is still heard at
// short intervals, at the price of skipped ticks, and at long ones a log that hangs does not hold the clock for an hour.
const (
	minWait = time.Second
	maxWait = 5 * time.Second
)

// Publisher is where ticks go. Publish returns when its context ends, at the latest.
type Publisher interface {
	Publish(ctx context.Context, events ...event.Event) ([]event.Position, error)
}

// Observer is told of each tick, and when publishing begins to fail and when it works again: once each, however many
// ticks there are in between. It is called by the goroutine of [Feed.Run] and should be quick.
type Observer interface {
	// Ticked is told how long after its nominal time a tick came, by the wall clock, before it is published.
	Ticked(late time.Duration)
	// Failing is told why the first tick could not be published.
	Failing(err error)
	// Recovered is told how many ticks were not published.
	Recovered(lost uint64)
}

// Feed publishes the time. Its counters may be read at any time.
type Feed struct {
	ticker    *clock.Ticker
	zone      *time.Location
	layout    string
	wait      time.Duration // the longest one publish may take
	publisher Publisher
	observer  Observer
	failed    atomic.Uint64
}

// New makes a feed that reads the wall clock from now, which is [time.Now] in earnest. Its errors are those of
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
		ticker:    ticker,
		zone:      zone,
		layout:    cfg.Layout,
		wait:      min(max(cfg.Interval, minWait), maxWait),
		publisher: publisher,
		observer:  observer,
	}, nil
}

// Stats counts what became of the beats so far.
type Stats struct {
	Ticks   uint64 // ticked
	Skipped uint64 // slept through or jumped over, and so never ticked
	Failed  uint64 // ticked, but could not be published
}

// Stats answers the counters.
func (f *Feed) Stats() Stats {
	return Stats{Ticks: f.ticker.Ticks(), Skipped: f.ticker.Skipped(), Failed: f.failed.Load()}
}

// Run publishes each tick until the context ends; then it returns nil.
func (f *Feed) Run(ctx context.Context) error {
	var lost uint64 // ticks since publishing began to fail
	f.ticker.Run(ctx, func(tick clock.Tick) {
		f.observer.Ticked(tick.Late)
		err := f.publish(ctx, tick)
		switch {
		case err != nil && ctx.Err() != nil: // stopping is no failure
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
	ctx, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	_, err = f.publisher.Publish(ctx, event.Event{Topics: []event.Topic{Topic}, Data: data, Key: key})
	return err
}

// keyOf is the nominal time, and for times that come again because the wall clock was set back, the era: without it,
// a log that remembers the key would swallow the tick and the clock would seem to stand still.
func keyOf(tick clock.Tick) (event.Key, error) {
	key := fmt.Sprintf("clock/%d", tick.Time.UnixMilli())
	if tick.Era > 0 {
		key = fmt.Sprintf("%s/%d", key, tick.Era)
	}
	return event.ParseKey(key)
}
