package timefeed

import (
	"fmt"
	"time"

	"carillon/internal/domain/clock"
	"carillon/internal/domain/event"
)

// JSON is the layout that stands for an object instead of a text.
const JSON = "json"

// Config is when the clock ticks and how a tick is written. Its keys live under "clock".
type Config struct {
	Interval time.Duration `mapstructure:"interval"`
	Timezone string        `mapstructure:"timezone"`
	Layout   string        `mapstructure:"layout"` // as of package time, or [JSON]
}

// Validate names the first key whose value cannot be.
func (c Config) Validate() error {
	if err := clock.CheckInterval(c.Interval); err != nil {
		return fmt.Errorf("clock.interval: got %s, %w", c.Interval, err)
	}
	if _, err := c.location(); err != nil {
		return err
	}
	if c.Layout != JSON && !tellsTime(c.Layout) {
		return fmt.Errorf("clock.layout: got %q, takes a Go time layout such as %q, or %q", c.Layout, time.DateTime, JSON)
	}
	if _, err := event.ParseData(c.Layout); err != nil {
		return fmt.Errorf("clock.layout: got %q, takes valid UTF-8", c.Layout)
	}
	return nil
}

func (c Config) location() (*time.Location, error) {
	zone, err := time.LoadLocation(c.Timezone)
	if err != nil || c.Timezone == "" { // the empty name would quietly be UTC
		return nil, fmt.Errorf("clock.timezone: got %q, takes a name such as %q, %q or %q", c.Timezone, "Europe/Berlin", "UTC", "Local")
	}
	return zone, nil
}

// tellsTime reports whether a layout has an element of date or time in it. The two instants differ in each such
// element; they are in one zone, because its name alone does not tell the time.
func tellsTime(layout string) bool {
	a := time.Date(2001, time.February, 3, 4, 5, 6, 0, time.UTC)
	b := time.Date(2012, time.November, 25, 22, 37, 48, 987654321, time.UTC)
	return a.Format(layout) != b.Format(layout)
}
