package disklog

import (
	"errors"
	"fmt"
	"time"
)

// Config says where the log is and bounds the history; the tightest bound holds. Path lives under "history.disk", the
// bounds are those of every log, under "history".
type Config struct {
	Path string `mapstructure:"path"` // a directory of its own, created if it is missing

	Events    int           `mapstructure:"events"`
	Bytes     int64         `mapstructure:"bytes"`
	Age       time.Duration `mapstructure:"age"`
	Keys      int           `mapstructure:"keys"`       // how many idempotency keys are remembered
	KeyWindow time.Duration `mapstructure:"key_window"` // and for how long
}

// maxEvents keeps the tables in memory under a few GiB.
const maxEvents = 1 << 26

// Validate names every key that is out of range.
func (c Config) Validate() error {
	var problems []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	require(c.Path != "", "history.disk.path: must be a directory (got %q)", c.Path)
	require(c.Events >= 1 && c.Events <= maxEvents, "history.events: must be between 1 and %d (got %d)", maxEvents, c.Events)
	require(c.Bytes >= 1, "history.bytes: must be at least 1 (got %d)", c.Bytes)
	require(c.Age > 0, "history.age: must be above 0 (got %s)", c.Age)
	require(c.Keys >= 1 && c.Keys <= maxEvents, "history.keys: must be between 1 and %d (got %d)", maxEvents, c.Keys)
	require(c.KeyWindow > 0, "history.key_window: must be above 0 (got %s)", c.KeyWindow)
	return errors.Join(problems...)
}
