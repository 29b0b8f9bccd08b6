package memlog

import (
	"errors"
	"fmt"
	"time"
)

// Config bounds the history; the tightest bound holds. Its keys live under "history".
type Config struct {
	Events    int           `mapstructure:"events"`
	Bytes     int64         `mapstructure:"bytes"`
	Age       time.Duration `mapstructure:"age"`
	Keys      int           `mapstructure:"keys"`       // how many idempotency keys are remembered
	KeyWindow time.Duration `mapstructure:"key_window"` // and for how long
}

// maxEvents keeps the history's own table under a few GiB.
const maxEvents = 1 << 26

// Validate names every key that is out of range.
func (c Config) Validate() error {
	var problems []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	refuse(c.Events < 1 || c.Events > maxEvents, "history.events: got %d, takes a number from 1 to %d", c.Events, maxEvents)
	refuse(c.Bytes < 1, "history.bytes: got %d, takes a number of bytes above 0", c.Bytes)
	refuse(c.Age <= 0, "history.age: got %s, takes a duration above 0", c.Age)
	refuse(c.Keys < 1 || c.Keys > maxEvents, "history.keys: got %d, takes a number from 1 to %d", c.Keys, maxEvents)
	refuse(c.KeyWindow <= 0, "history.key_window: got %s, takes a duration above 0", c.KeyWindow)
	return errors.Join(problems...)
}
