package disklog_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/infra/disklog"
)

func TestRestart(t *testing.T) {
	cfg := config(filepath.Join(t.TempDir(), "new", "data"), pubsubtest.LargeLimits())
	log := open(t, cfg)
	assert.True(t, log.Opening().Created)
	first := publish(t, log, say(t, "one", ""), say(t, "two", "k"))
	extent, entries := log.Extent(), readAll(t, log)
	log.close()

	log = open(t, cfg)
	assert.Equal(t, extent, log.Extent())
	assert.Equal(t, entries, readAll(t, log))
	assert.Equal(t, first[1], publish(t, log, say(t, "two", "k"))[0])
	assert.EqualValues(t, 3, publish(t, log, say(t, "three", ""))[0].Offset)
	assert.Equal(t, []string{"one", "two", "three"}, texts(readAll(t, log)))
	opening := log.Opening()
	assert.False(t, opening.Created)
	assert.False(t, opening.LostCommit)
	assert.Zero(t, opening.CompactedFrom)
	assert.Equal(t, 2, opening.Entries)
	assert.Equal(t, 1, opening.Keys)
	assert.Positive(t, opening.FileBytes)

	info, err := os.Stat(cfg.Path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	info, err = os.Stat(filepath.Join(cfg.Path, disklog.FileName))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestRestartOfAnEmptiedLog(t *testing.T) {
	limits := pubsubtest.LargeLimits()
	limits.Bytes = 1000
	cfg := config(t.TempDir(), limits)
	log := open(t, cfg)
	key := publish(t, log, say(t, strings.Repeat("x", 1000), "k"))
	assert.EqualValues(t, 2, log.Extent().Oldest)
	log.close()
	log = open(t, cfg)
	assert.EqualValues(t, 2, log.Extent().Oldest, "offsets go on")
	assert.EqualValues(t, 1, log.Extent().Newest)
	assert.Equal(t, key, publish(t, log, say(t, strings.Repeat("x", 1000), "k")))
}

func TestKeysOutliveEventsAndRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := pubsubtest.LargeLimits()
		limits.Events, limits.KeyWindow = 3, time.Minute
		cfg := config(t.TempDir(), limits)
		log := open(t, cfg)
		first := publish(t, log, say(t, "one", "k"))
		for range 2000 {
			publish(t, log, say(t, "more", ""))
		}
		log.close()
		time.Sleep(30 * time.Second)
		log = open(t, cfg)
		assert.EqualValues(t, 1999, log.Extent().Oldest)
		assert.Equal(t, first, publish(t, log, say(t, "one", "k")))
		_, err := log.Append(t.Context(), []event.Event{say(t, "other", "k")})
		require.ErrorIs(t, err, pubsub.ErrKeyReused, "the fingerprint is kept too")
		log.close()
		time.Sleep(31 * time.Second)
		log = open(t, cfg)
		assert.EqualValues(t, 2002, publish(t, log, say(t, "again", "k"))[0].Offset, "its window is over")
		log.close()
		info, err := disklog.Inspect(cfg.Path)
		require.NoError(t, err)
		assert.Equal(t, 1, info.Keys, "the old one was deleted")
	})
}

// Ages follow the wall clock while the log is closed.
func TestAgesAcrossRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := pubsubtest.LargeLimits()
		limits.Age = time.Minute
		cfg := config(t.TempDir(), limits)
		log := open(t, cfg)
		publish(t, log, say(t, "one", ""))
		time.Sleep(30 * time.Second)
		publish(t, log, say(t, "two", ""))
		log.close()
		time.Sleep(31 * time.Second)
		log = open(t, cfg)
		assert.Equal(t, []string{"two"}, texts(readAll(t, log)))
		_, age := log.Kept()
		assert.Equal(t, 31*time.Second, age)
		time.Sleep(time.Minute)
		synctest.Wait()
		log.close()
		info, err := disklog.Inspect(cfg.Path)
		require.NoError(t, err)
		assert.EqualValues(t, 0, info.Entries, "what is too old is deleted while nothing is appended")
		assert.EqualValues(t, 3, info.Oldest)
	})
}

func TestTighterLimitsAtARestart(t *testing.T) {
	limits := pubsubtest.LargeLimits()
	dir := t.TempDir()
	log := open(t, config(dir, limits))
	for n := range 10 {
		publish(t, log, say(t, fmt.Sprint(n), fmt.Sprint(n)))
	}
	log.close()
	limits.Events, limits.Keys = 3, 2
	log = open(t, config(dir, limits))
	assert.Equal(t, []string{"7", "8", "9"}, texts(readAll(t, log)))
	assert.EqualValues(t, 10, publish(t, log, say(t, "9", "9"))[0].Offset)
	assert.EqualValues(t, 11, publish(t, log, say(t, "again", "7"))[0].Offset)
}

func TestSecondOpenIsRefused(t *testing.T) {
	cfg := config(t.TempDir(), pubsubtest.LargeLimits())
	log := open(t, cfg)
	_, err := disklog.Open(cfg)
	require.ErrorIs(t, err, disklog.ErrInUse)
	assert.ErrorContains(t, err, "history.disk.path: ")
	assert.ErrorContains(t, err, cfg.Path)
	assert.ErrorContains(t, err, "in use by another process")
	_, err = disklog.Inspect(cfg.Path)
	require.ErrorIs(t, err, disklog.ErrInUse)
	require.ErrorIs(t, disklog.Check(cfg.Path), disklog.ErrInUse)
	publish(t, log, say(t, "still works", ""))
}

func TestInspect(t *testing.T) {
	cfg := config(t.TempDir(), pubsubtest.LargeLimits())
	_, err := disklog.Inspect(cfg.Path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorIs(t, disklog.Check(cfg.Path), os.ErrNotExist)
	log := open(t, cfg)
	publish(t, log, say(t, "one", "k"), say(t, "two", "l"), say(t, "three", ""))
	extent := log.Extent()
	log.close()
	info, err := disklog.Inspect(cfg.Path)
	require.NoError(t, err)
	assert.Positive(t, info.FileBytes)
	info.FileBytes = 0
	assert.Equal(t, disklog.Info{Epoch: extent.Epoch, Oldest: 1, Newest: 3, Entries: 3, Keys: 2}, info)
	require.NoError(t, disklog.Check(cfg.Path))
}

func TestLifecycle(t *testing.T) {
	log := open(t, config(t.TempDir(), pubsubtest.LargeLimits()))
	publish(t, log, say(t, "one", ""))
	require.ErrorContains(t, log.Run(t.Context()), "called before")
	log.close()
	_, err := log.Append(t.Context(), batch(t, 1))
	require.ErrorIs(t, err, pubsub.ErrUnavailable)
	_, err = log.Read(t.Context(), log.Extent().At(0), 1)
	require.ErrorIs(t, err, pubsub.ErrUnavailable)
}

func TestConfig(t *testing.T) {
	err := disklog.Config{HistoryBounds: pubsub.HistoryBounds{Events: 1 << 27, KeyWindow: -1}}.Validate()
	for _, problem := range []string{
		`history.disk.path: must be a directory (got "")`,
		"history.events: must be between 1 and 67108864 (got 134217728)",
		"history.bytes: must be above 0 (got 0)",
		"history.age: must be above 0s (got 0s)",
		"history.keys: must be between 1 and 67108864 (got 0)",
		"history.key_window: must be above 0s (got -1ns)",
	} {
		require.ErrorContains(t, err, problem)
	}
	_, opened := disklog.Open(disklog.Config{})
	require.Error(t, opened)
	require.NoError(t, config("x", pubsubtest.LargeLimits()).Validate())
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, opened = disklog.Open(config(file, pubsubtest.LargeLimits()))
	require.ErrorContains(t, opened, "history.disk.path: ")
	assert.False(t, errors.Is(opened, disklog.ErrDamaged))
}

// A file of an older format is refused and left as it is.
func TestAFileOfAnotherFormatIsRefused(t *testing.T) {
	cfg := config(t.TempDir(), pubsubtest.LargeLimits())
	open(t, cfg).close()
	db, err := bbolt.Open(filepath.Join(cfg.Path, "carillon.db"), 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte("meta"))
		identity := slices.Clone(meta.Get([]byte("identity"))) // checksum, version, epoch
		identity[4] = 1
		binary.BigEndian.PutUint32(identity, crc32.Checksum(identity[4:], crc32.MakeTable(crc32.Castagnoli)))
		return meta.Put([]byte("identity"), identity)
	}))
	require.NoError(t, db.Close())
	for range 2 {
		_, err = disklog.Open(cfg)
		require.ErrorContains(t, err, "format version must be 2 (got 1): the file was written by another version of Carillon; move it away, or use that version")
		require.NotErrorIs(t, err, disklog.ErrDamaged)
	}
}
