package pubsub

import (
	"fmt"
	"time"
)

// SlowPolicy is what is done with a slow stream: one that was parked inside the window and fell out of it.
type SlowPolicy string

// The policies for slow streams.
const (
	SlowClose SlowPolicy = "close" // end it; its client can resume from the log's history
	SlowSkip  SlowPolicy = "skip"  // reset it to the newest event
)

// Config configures the engine. Its keys are under "window" and "stream".
type Config struct {
	Window    WindowConfig
	Heartbeat time.Duration
	Slow      SlowPolicy
	Shards    int // 0 means one for each processor
	Fill      int // how many of the newest events of the log's history the window gets at the start
}

// WindowConfig bounds the window of recent items that each node holds in memory. All bounds apply.
type WindowConfig struct {
	Events int           `mapstructure:"events"`
	Bytes  int64         `mapstructure:"bytes"`
	Age    time.Duration `mapstructure:"age"`
}

// Validate returns an error that names the first key that is out of range, or nil.
func (c WindowConfig) Validate() error {
	switch {
	case c.Events < 1 || c.Events > 1<<24:
		return fmt.Errorf("window.events: must be between 1 and %d (got %d)", 1<<24, c.Events)
	case c.Bytes < 1:
		return fmt.Errorf("window.bytes: must be greater than 0 (got %d)", c.Bytes)
	case c.Age <= 0:
		return fmt.Errorf("window.age: must be greater than 0 (got %s)", c.Age)
	}
	return nil
}

// Validate returns an error that names the first key that is out of range, or nil.
func (c Config) Validate() error {
	if err := c.Window.Validate(); err != nil {
		return err
	}
	switch {
	case c.Heartbeat < 100*time.Millisecond || c.Heartbeat > time.Hour:
		return fmt.Errorf("stream.heartbeat: must be between 100ms and 1h (got %s)", c.Heartbeat)
	case c.Slow != SlowClose && c.Slow != SlowSkip:
		return fmt.Errorf("stream.slow: must be %q or %q (got %q)", SlowClose, SlowSkip, c.Slow)
	case c.Fill < 0:
		return fmt.Errorf("fill: must be at least 0 (got %d)", c.Fill)
	case c.Shards < 0 || c.Shards > 1024:
		return fmt.Errorf("stream.shards: must be between 0 and 1024 (got %d)", c.Shards)
	}
	return nil
}
