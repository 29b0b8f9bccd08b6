package pubsubtest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

func restartGuarantees() []guarantee {
	return []guarantee{
		{name: "a restart changes nothing", check: restartKeepsAll, needsReopen: true},
	}
}

func restartKeepsAll(t *testing.T, a Adapter) {
	limits := LargeLimits()
	limits.Events = 10
	log := a.Open(t, limits)
	for round := range 3 {
		first := publish(t, log, keyed("first", "k"))
		publish(t, log, numbered(1, 20)...)
		kept := keyed("kept", fmt.Sprint("kept ", round))
		publish(t, log, kept)
		extent, entries := log.Extent(), read(t, log, log.Extent().Oldest-1)
		log = a.Reopen(t, log)
		assert.Equal(t, extent, log.Extent(), "the same epoch and the same offsets")
		assert.Equal(t, entries, read(t, log, extent.Oldest-1))
		assert.Equal(t, first, publish(t, log, keyed("first", "k")), "keys outlive their events and a restart")
		_, err := log.Append(t.Context(), []event.Event{keyed("other", kept.Key.String())})
		require.ErrorIs(t, err, pubsub.ErrKeyReused, "and so does what belongs to them")
		if a.SameProcess { // others may know only events that are kept
			_, err = log.Append(t.Context(), []event.Event{keyed("other", "k")})
			require.ErrorIs(t, err, pubsub.ErrKeyReused)
		}
		f := follow(t, log, extent.Newest)
		next := publish(t, log, textEvent("next"))
		assert.Greater(t, next[0].Offset, extent.Newest, "offsets go on")
		assert.Equal(t, []string{"next"}, texts(f.upTo(t, next[0].Offset)))
		f.stop()
	}
}
