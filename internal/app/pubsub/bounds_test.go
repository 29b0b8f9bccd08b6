package pubsub_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
)

func TestHistoryBounds(t *testing.T) {
	good := pubsub.HistoryBounds{Events: 1, Bytes: 1, Age: 1, Keys: 1, KeyWindow: 1}
	require.NoError(t, good.Validate())
	for problem, change := range map[string]func(*pubsub.HistoryBounds){
		"history.events: must be between 1 and 67108864 (got 0)":        func(c *pubsub.HistoryBounds) { c.Events = 0 },
		"history.events: must be between 1 and 67108864 (got 67108865)": func(c *pubsub.HistoryBounds) { c.Events = 1<<26 + 1 },
		"history.bytes: must be above 0 (got -1)":                       func(c *pubsub.HistoryBounds) { c.Bytes = -1 },
		"history.age: must be above 0s (got 0s)":                        func(c *pubsub.HistoryBounds) { c.Age = 0 },
		"history.keys: must be between 1 and 67108864 (got 0)":          func(c *pubsub.HistoryBounds) { c.Keys = 0 },
		"history.key_window: must be above 0s (got -1s)":                func(c *pubsub.HistoryBounds) { c.KeyWindow = -time.Second },
	} {
		t.Run(problem, func(t *testing.T) {
			bad := good
			change(&bad)
			require.ErrorContains(t, bad.Validate(), problem)
		})
	}
	all := pubsub.HistoryBounds{}.Validate()
	for _, key := range []string{"events", "bytes", "age", "keys", "key_window"} {
		assert.ErrorContains(t, all, "history."+key+":")
	}
}
