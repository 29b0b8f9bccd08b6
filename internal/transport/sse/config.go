package sse

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Config is how streams are written. Its keys live under "stream".
type Config struct {
	Retry         time.Duration `mapstructure:"retry"`
	RefusedRetry  time.Duration `mapstructure:"refused_retry"`
	WriteTimeout  time.Duration `mapstructure:"write_timeout"`
	MaxBatchBytes int           `mapstructure:"max_batch_bytes"`
	TakeOver      bool          `mapstructure:"take_over"`
	Compression   bool          `mapstructure:"compression"`
}

// Validate names the first key that is out of range.
func (c Config) Validate() error {
	switch {
	case c.Retry < 100*time.Millisecond || c.Retry > 10*time.Minute:
		return fmt.Errorf("stream.retry: got %s, takes a duration from 100ms to 10m", c.Retry)
	case c.RefusedRetry < 100*time.Millisecond || c.RefusedRetry > time.Hour:
		return fmt.Errorf("stream.refused_retry: got %s, takes a duration from 100ms to 1h", c.RefusedRetry)
	case c.WriteTimeout < 100*time.Millisecond || c.WriteTimeout > 10*time.Minute:
		return fmt.Errorf("stream.write_timeout: got %s, takes a duration from 100ms to 10m", c.WriteTimeout)
	case c.MaxBatchBytes < 1024 || c.MaxBatchBytes > 1<<24:
		return fmt.Errorf("stream.max_batch_bytes: got %d, takes a number from 1024 to %d", c.MaxBatchBytes, 1<<24)
	}
	return nil
}

// jitter draws a reconnection time between base and twice base, so that clients that lost a server together do not
// come back together.
func jitter(base time.Duration) time.Duration {
	return (base + rand.N(base)).Truncate(time.Millisecond)
}
