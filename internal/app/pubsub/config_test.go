package pubsub_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
)

func TestConfigNamesTheKey(t *testing.T) {
	for key, change := range map[string]func(*pubsub.Config){
		"window.events":    func(c *pubsub.Config) { c.Window.Events = 0 },
		"window.bytes":     func(c *pubsub.Config) { c.Window.Bytes = 0 },
		"window.age":       func(c *pubsub.Config) { c.Window.Age = 0 },
		"stream.heartbeat": func(c *pubsub.Config) { c.Heartbeat = time.Millisecond },
		"stream.slow":      func(c *pubsub.Config) { c.Slow = "wait" },
		"stream.shards":    func(c *pubsub.Config) { c.Shards = -1 },
	} {
		t.Run(key, func(t *testing.T) {
			cfg := config()
			require.NoError(t, cfg.Validate())
			change(&cfg)
			assert.Regexp(t, "^"+regexp.QuoteMeta(key)+`: must be .+ \(got .+\)$`, cfg.Validate())
			_, err := pubsub.New(cfg, newLog(0), pubsubtest.NopObserver{})
			require.Error(t, err)
		})
	}
}
