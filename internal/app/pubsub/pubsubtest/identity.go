package pubsubtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

func identityGuarantees() []guarantee {
	return []guarantee{
		{name: "positions of another log are refused", check: otherEpochRefused},
		{name: "a look sees everything that was acknowledged", check: lookIsCurrent},
		{name: "a log that is replaced has another epoch", check: replacedLog, needsReplace: true},
	}
}

func otherEpochRefused(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	publish(t, log, numbered(1, 3)...)
	other := event.Position{Epoch: "another", Offset: 1}
	_, err := log.Read(t.Context(), other, 1)
	require.ErrorIs(t, err, pubsub.ErrReplaced)
	err = log.Follow(t.Context(), other, func(uint64, []event.Entry) { assert.Fail(t, "not of this log") })
	require.ErrorIs(t, err, pubsub.ErrReplaced)
}

func lookIsCurrent(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	for range 5 {
		last := publish(t, log, numbered(1, 3)...)[2]
		extent, err := log.Look(t.Context())
		require.NoError(t, err)
		assert.Equal(t, pubsub.Extent{Epoch: last.Epoch, Oldest: 1, Newest: last.Offset}, extent)
	}
}

func replacedLog(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	before := publish(t, log, numbered(1, 10)...)
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	go func() {
		for { // as the engine does, while the log is gone and not yet there again
			err := log.Follow(ctx, before[9], func(uint64, []event.Entry) {})
			if !errors.Is(err, pubsub.ErrUnavailable) {
				ended <- err
				return
			}
		}
	}()
	a.Replace(t, log)
	require.ErrorIs(t, <-ended, pubsub.ErrReplaced, "a follower ends")
	_, err := log.Read(ctx, before[0], 10)
	require.ErrorIs(t, err, pubsub.ErrReplaced)
	var extent pubsub.Extent
	require.Eventually(t, func() bool {
		var err error
		extent, err = log.Look(ctx)
		return err == nil
	}, timeout, 10*time.Millisecond)
	assert.NotEqual(t, before[0].Epoch, extent.Epoch)
	after := publish(t, log, textEvent("new"))
	assert.Equal(t, extent.Epoch, after[0].Epoch)
	assert.Equal(t, []string{"new"}, texts(follow(t, log, 0).upTo(t, after[0].Offset)))
	assert.Equal(t, []string{"new"}, texts(read(t, log, 0)))
}
