package pubsub

import (
	"fmt"
	"time"
)

// SlowPolicy says what happens to a stream whose cursor fell out of the window.
type SlowPolicy string

// The policies for slow streams.
const (
	SlowClose SlowPolicy = "close" // end it; its client resumes by id from the log's history
	SlowSkip  SlowPolicy = "skip"  // reset it to the head
)

// Config is how the engine behaves. Its keys live under "window" and "stream".
type Config struct {
	Window    WindowConfig
	Heartbeat time.Duration
	Slow      SlowPolicy
	Shards    int // 0 is one for each processor
}

// WindowConfig bounds the window of recent items that each node keeps in memory; the tightest bound holds.
type WindowConfig struct {
	Events int           `mapstructure:"events"`
	Bytes  int64         `mapstructure:"bytes"`
	Age    time.Duration `mapstructure:"age"`
}

// Validate names the first key that is out of range.
func (c WindowConfig) Validate() error {
	switch {
	case c.Events < 1 || c.Events > 1<<24:
		return fmt.Errorf("window.events: got %d, takes a number from 1 to %d", c.Events, 1<<24)
	case c.Bytes < 1:
		return fmt.Errorf("window.bytes: got %d, takes a number of bytes above 0", c.Bytes)
	case c.Age <= 0:
		return fmt.Errorf("window.age: got %s, takes a duration above 0", c.Age)
	}
	return nil
}

// Validate names the first key that is out of range.
func (c Config) Validate() error {
	if err := c.Window.Validate(); err != nil {
		return err
	}
	switch {
	case c.Heartbeat < 100*time.Millisecond || c.Heartbeat > time.Hour:
		return fmt.Errorf("stream.heartbeat: got %s, takes a duration from 100ms to 1h", c.Heartbeat)
	case c.Slow != SlowClose && c.Slow != SlowSkip:
		return fmt.Errorf("stream.slow: got %q, takes %q or %q", c.Slow, SlowClose, SlowSkip)
	case c.Shards < 0 || c.Shards > 1024:
		return fmt.Errorf("stream.shards: got %d, takes a number from 0 to 1024", c.Shards)
	}
	return nil
}
