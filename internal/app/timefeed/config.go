package timefeed

import (
	"fmt"
	"time"

	"carillon/internal/domain/clock"
	"carillon/internal/domain/event"
)

// JSON is the layout for which a tick is written as a JSON object.
const JSON = "json"

// Config configures when the clock ticks and how a tick is written. Its keys are under "clock".
type Config struct {
	Enabled  bool          `mapstructure:"enabled"` // false: no ticks
	Interval time.Duration `mapstructure:"interval"`
	Timezone string        `mapstructure:"timezone"`
	Layout   string        `mapstructure:"layout"` // as of package time, or [JSON]
}

// Validate returns an error that names the first key whose value is invalid.
func (c Config) Validate() error {
	if err := clock.CheckInterval(c.Interval); err != nil {
		return fmt.Errorf("clock.interval: %w (got %s)", err, c.Interval)
	}
	if _, err := c.location(); err != nil {
		return err
	}
	if c.Layout != JSON && !hasTimeElement(c.Layout) {
		return fmt.Errorf("clock.layout: must be a Go time layout such as %q, or %q (got %q)", time.DateTime, JSON, c.Layout)
	}
	if _, err := event.ParseData(c.Layout); err != nil {
		return fmt.Errorf("clock.layout: must be valid UTF-8 (got %q)", c.Layout)
	}
	return nil
}

func (c Config) location() (*time.Location, error) {
	zone, err := time.LoadLocation(c.Timezone)
	if err != nil || c.Timezone == "" { // LoadLocation takes the empty name for UTC
		return nil, fmt.Errorf("clock.timezone: must be a time zone name such as %q, %q or %q (got %q)", "Europe/Berlin", "UTC", "Local", c.Timezone)
	}
	return zone, nil
}

// hasTimeElement reports whether a layout has an element of date or time. The two instants differ in each such
// element; they are in one zone, because a zone's name alone does not show the time.
func hasTimeElement(layout string) bool {
	a := time.Date(2001, time.February, 3, 4, 5, 6, 0, time.UTC)
	b := time.Date(2012, time.November, 25, 22, 37, 48, 987654321, time.UTC)
	return a.Format(layout) != b.Format(layout)
}
