package disklog_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/infra/disklog"
)

// mixedEvents returns events of a few bytes mostly, and now and then of several pages.
func mixedEvents(t testing.TB, random *rand.Rand, text string, n int) []event.Event {
	t.Helper()
	events := make([]event.Event, 1+random.IntN(50))
	for i := range events {
		size := random.IntN(200)
		switch random.IntN(50) {
		case 0:
			size = random.IntN(20_000)
		case 1:
			size = random.IntN(200_000)
		}
		key := ""
		if random.IntN(2) == 0 {
			key = fmt.Sprintf("a key that is as long as a hash written in hexadecimal digits %d/%d", n, i)
		}
		events[i] = say(t, text[:size], key)
	}
	return events
}

// The bound that the package's documentation names.
func TestFileIsBounded(t *testing.T) {
	limits := pubsubtest.LargeLimits()
	limits.Bytes, limits.Keys = 48<<20, 10_000
	bound := 2*(limits.Bytes+300*int64(limits.Keys)) + 64<<20
	log := open(t, config(t.TempDir(), limits))
	random, text := rand.New(rand.NewPCG(1, 2)), strings.Repeat("x", 200_000)
	var written, largest int64
	for n := 0; written < 10*limits.Bytes; n++ {
		events := mixedEvents(t, random, text, n)
		for _, e := range events {
			written += int64(e.Size())
		}
		publish(t, log, events...)
		size, err := log.FileBytes()
		require.NoError(t, err)
		largest = max(largest, size)
	}
	kept, _ := log.Kept()
	t.Logf("the file has %d MB; the bound is %d MB, kept are %d MB, %d MB were written", largest>>20, bound>>20, kept>>20, written>>20)
	assert.LessOrEqual(t, largest, bound)
}

func TestCompactedAtOpen(t *testing.T) {
	limits := pubsubtest.LargeLimits()
	dir := t.TempDir()
	log := open(t, config(dir, limits))
	text := strings.Repeat("x", 1<<20)
	for n := range 100 {
		publish(t, log, say(t, text, fmt.Sprint(n)))
	}
	epoch := log.Extent().Epoch
	log.close()
	require.NoError(t, os.WriteFile(filepath.Join(dir, disklog.FileName+".compact"), []byte("of a process that was killed"), 0o600))

	limits.Events = 3
	log = open(t, config(dir, limits)) // trims; what was trimmed is still in the file
	assert.Zero(t, log.Opening().CompactedFrom)
	publish(t, log, batch(t, 1)...)
	log.close()
	log = open(t, config(dir, limits))
	opening := log.Opening()
	assert.Greater(t, opening.CompactedFrom, int64(100<<20))
	assert.Less(t, opening.FileBytes, int64(24<<20))
	assert.Equal(t, 3, opening.Entries)
	assert.Equal(t, 100, opening.Keys)
	assert.Equal(t, pubsub.Extent{Epoch: epoch, Oldest: 99, Newest: 101}, log.Extent())
	assert.EqualValues(t, 1, publish(t, log, say(t, text, "0"))[0].Offset)
	publish(t, log, batch(t, 1)...)
	_, err := disklog.Open(config(dir, limits))
	require.ErrorIs(t, err, disklog.ErrInUse, "the new file is locked")
	log.close()
	require.NoError(t, disklog.Check(dir))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, files, 1)
}
