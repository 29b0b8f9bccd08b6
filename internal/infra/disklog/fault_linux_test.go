package disklog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/infra/disklog"
)

func TestFailedWrite(t *testing.T) {
	log := open(t, config(t.TempDir(), pubsubtest.LargeLimits()))
	publish(t, log, say(t, "one", ""))
	require.NoError(t, log.BreakFile())
	for range 2 {
		_, err := log.Append(t.Context(), batch(t, 1))
		require.ErrorIs(t, err, pubsub.ErrUnavailable)
		require.ErrorContains(t, err, "no more appends until a restart")
		require.ErrorIs(t, err, syscall.EBADF)
	}
	assert.Equal(t, []string{"one"}, texts(readAll(t, log)), "what is kept can be read")
	assert.EqualValues(t, 1, log.Extent().Newest)
}

func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to mount a small tmpfs")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skip("cannot mount a small tmpfs: ", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(dir, 0)) })
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 4<<20), 0o600))
	log := open(t, config(filepath.Join(dir, "data"), pubsubtest.LargeLimits()))

	var acknowledged []event.Position
	text := strings.Repeat("x", 10_000)
	fill := func(most int) (err error) {
		for n := 0; n < most && err == nil; n++ {
			var appended []pubsub.Appended
			appended, err = log.Append(t.Context(), []event.Event{say(t, text, fmt.Sprint("key ", len(acknowledged)))})
			acknowledged = append(acknowledged, pubsubtest.Positions(appended)...)
		}
		return err
	}
	for range 3 {
		err := fill(10_000)
		require.ErrorIs(t, err, pubsub.ErrUnavailable)
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.ErrorContains(t, err, "the disk is full")
		assert.Len(t, readAll(t, log), len(acknowledged))
	}
	require.NoError(t, os.Remove(ballast))
	require.NoError(t, fill(50), "there is room again")
	require.ErrorIs(t, fill(10_000), syscall.ENOSPC)

	check := func() {
		entries := readAll(t, log)
		require.Len(t, entries, len(acknowledged))
		for i, e := range entries {
			require.Equal(t, acknowledged[i], e.Position)
			require.Equal(t, fmt.Sprint("key ", i), e.Event.Key.String())
		}
	}
	check()
	log.close()
	require.NoError(t, disklog.Check(filepath.Join(dir, "data")))
	log = open(t, config(filepath.Join(dir, "data"), pubsubtest.LargeLimits()))
	check()
	log.close()
}
