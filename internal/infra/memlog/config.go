package memlog

import (
	"errors"
	"fmt"
	"time"
)

// Config bounds the history; the tightest bound applies. Its keys are under "history".
type Config struct {
	Events    int           `mapstructure:"events"`
	Bytes     int64         `mapstructure:"bytes"`
	Age       time.Duration `mapstructure:"age"`
	Keys      int           `mapstructure:"keys"`       // how many idempotency keys are remembered
	KeyWindow time.Duration `mapstructure:"key_window"` // and for how long
}

// maxEvents bounds the memory of the ring itself to a few GiB.
const maxEvents = 1 << 26

// Validate returns an error that names every key whose value is out of range.
func (c Config) Validate() error {
	var problems []error
	check := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(c.Events < 1 || c.Events > maxEvents, "history.events: must be between 1 and %d (got %d)", maxEvents, c.Events)
	check(c.Bytes < 1, "history.bytes: must be above 0 (got %d)", c.Bytes)
	check(c.Age <= 0, "history.age: must be above 0s (got %s)", c.Age)
	check(c.Keys < 1 || c.Keys > maxEvents, "history.keys: must be between 1 and %d (got %d)", maxEvents, c.Keys)
	check(c.KeyWindow <= 0, "history.key_window: must be above 0s (got %s)", c.KeyWindow)
	return errors.Join(problems...)
}
