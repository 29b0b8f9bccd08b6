package delivery

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Config is how streams are written. Its keys are under "stream".
type Config struct {
	Retry         time.Duration `mapstructure:"retry"`
	RefusedRetry  time.Duration `mapstructure:"refused_retry"`
	WriteTimeout  time.Duration `mapstructure:"write_timeout"`
	MaxBatchBytes int           `mapstructure:"max_batch_bytes"`
	TakeOver      bool          `mapstructure:"take_over"`
	Compression   bool          `mapstructure:"compression"`
}

// Validate returns an error that names the first key that is out of range.
func (c Config) Validate() error {
	switch {
	case c.Retry < 100*time.Millisecond || c.Retry > 10*time.Minute:
		return fmt.Errorf("stream.retry: must be between 100ms and 10m (got %s)", c.Retry)
	case c.RefusedRetry < 100*time.Millisecond || c.RefusedRetry > time.Hour:
		return fmt.Errorf("stream.refused_retry: must be between 100ms and 1h (got %s)", c.RefusedRetry)
	case c.WriteTimeout < 100*time.Millisecond || c.WriteTimeout > 10*time.Minute:
		return fmt.Errorf("stream.write_timeout: must be between 100ms and 10m (got %s)", c.WriteTimeout)
	case c.MaxBatchBytes < 1024 || c.MaxBatchBytes > 1<<24:
		return fmt.Errorf("stream.max_batch_bytes: must be between 1024 and %d (got %d)", 1<<24, c.MaxBatchBytes)
	}
	return nil
}

// jitter returns a random reconnection time between base and twice base, so that clients that lost a server together do
// not come back together.
func jitter(base time.Duration) time.Duration {
	return (base + rand.N(base)).Truncate(time.Millisecond)
}
