package presence

import (
	"errors"
	"fmt"
	"time"
)

// Config is what presence may cost and whom it is shown to. Its keys are under "presence".
type Config struct {
	Interval    time.Duration `mapstructure:"interval"`     // between two events about a topic to one stream
	Grace       time.Duration `mapstructure:"grace"`        // how long a member stays after its last stream
	MaxMembers  int           `mapstructure:"max_members"`  // of a topic whose members are listed
	PublicCount bool          `mapstructure:"public_count"` // whoever may subscribe to a topic may see its count
}

// Validate returns an error for every key that is out of range.
func (c Config) Validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(c.Interval >= 100*time.Millisecond && c.Interval <= time.Minute,
		"presence.interval: must be between 100ms and 1m (got %s)", c.Interval)
	check(c.Grace >= 0 && c.Grace <= time.Hour, "presence.grace: must be between 0s and 1h (got %s)", c.Grace)
	check(c.MaxMembers >= 1 && c.MaxMembers <= 1000, "presence.max_members: must be between 1 and 1000 (got %d)", c.MaxMembers)
	return errors.Join(problems...)
}
