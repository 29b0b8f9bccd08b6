package pubsub_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
)

func TestConfigNamesTheKey(t *testing.T) {
	for key, spoil := range map[string]func(*pubsub.Config){
		"window.events":    func(c *pubsub.Config) { c.Window.Events = 0 },
		"window.bytes":     func(c *pubsub.Config) { c.Window.Bytes = 0 },
		"window.age":       func(c *pubsub.Config) { c.Window.Age = 0 },
		"stream.heartbeat": func(c *pubsub.Config) { c.Heartbeat = time.Millisecond },
		"stream.slow":      func(c *pubsub.Config) { c.Slow = "wait" },
		"stream.shards":    func(c *pubsub.Config) { c.Shards = -1 },
	} {
		cfg := config()
		require.NoError(t, cfg.Validate())
		spoil(&cfg)
		assert.ErrorContains(t, cfg.Validate(), key+": got ")
		_, err := pubsub.New(cfg, newLog(0), pubsub.Unobserved{})
		assert.Error(t, err, key)
	}
}
