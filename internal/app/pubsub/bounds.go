package pubsub

import (
	"errors"
	"fmt"
	"time"
)

// HistoryBounds bound what a log keeps; the tightest bound applies. They mean the same for every log. Their keys live
// under "history".
type HistoryBounds struct {
	Events    int           `mapstructure:"events"`
	Bytes     int64         `mapstructure:"bytes"`
	Age       time.Duration `mapstructure:"age"`
	Keys      int           `mapstructure:"keys"`       // how many idempotency keys are remembered
	KeyWindow time.Duration `mapstructure:"key_window"` // and for how long
}

// maxKept keeps the tables of a log in memory under a few GiB.
const maxKept = 1 << 26

// Validate returns an error that names every key whose value is out of range.
func (b HistoryBounds) Validate() error {
	var problems []error
	check := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(b.Events < 1 || b.Events > maxKept, "history.events: must be between 1 and %d (got %d)", maxKept, b.Events)
	check(b.Bytes < 1, "history.bytes: must be above 0 (got %d)", b.Bytes)
	check(b.Age <= 0, "history.age: must be above 0s (got %s)", b.Age)
	check(b.Keys < 1 || b.Keys > maxKept, "history.keys: must be between 1 and %d (got %d)", maxKept, b.Keys)
	check(b.KeyWindow <= 0, "history.key_window: must be above 0s (got %s)", b.KeyWindow)
	return errors.Join(problems...)
}
