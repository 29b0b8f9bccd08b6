package disklog_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/infra/disklog"
)

// damaged writes a log, damages its file, and returns its configuration and what it held.
func damaged(t *testing.T, damage func(file []byte) []byte) (disklog.Config, []event.Entry) {
	t.Helper()
	cfg := config(memoryDir(t), pubsubtest.LargeLimits())
	log := open(t, cfg)
	for n := range 300 {
		publish(t, log, say(t, fmt.Sprintf("event number %d of the log", n), fmt.Sprintf("key number %d", n)))
	}
	entries := readAll(t, log)
	log.close()
	path := filepath.Join(cfg.Path, disklog.FileName)
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, damage(file), 0o600))
	return cfg, entries
}

func requireDamaged(t *testing.T, cfg disklog.Config) {
	t.Helper()
	path := filepath.Join(cfg.Path, disklog.FileName)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = disklog.Open(cfg)
	require.ErrorIs(t, err, disklog.ErrDamaged)
	require.ErrorContains(t, err, path)
	t.Log(err)
	require.ErrorIs(t, disklog.Check(cfg.Path), disklog.ErrDamaged)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(before, after), "the file is as it was")
}

// replaceAll changes all copies of a text: old pages of the file may hold some.
func replaceAll(from, to string) func([]byte) []byte {
	return func(file []byte) []byte { return bytes.ReplaceAll(file, []byte(from), []byte(to)) }
}

// skipWithRaceDetector skips a test in which bbolt panics over damaged pages: its own goroutine that checks pages then races
// with the end of its transaction. "make test" runs these tests without the detector as well.
func skipWithRaceDetector(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("bbolt races with itself when it finds damaged pages")
	}
}

func TestDamage(t *testing.T) {
	skipWithRaceDetector(t)
	const page = 4096
	for name, damage := range map[string]func([]byte) []byte{
		"an entry":        replaceAll("event number 150 ", "event number 159 "),
		"a key":           replaceAll("key number 150", "key number 159"),
		"both meta pages": func(file []byte) []byte { clear(file[:2*page]); return file },
		"all but the meta pages": func(file []byte) []byte {
			clear(file[2*page:])
			return file
		},
		"cut off after the meta pages": func(file []byte) []byte { return file[:2*page] },
		"cut off in the middle":        func(file []byte) []byte { return file[:10*page] },
		"empty":                        func([]byte) []byte { return nil },
		"another file":                 func(file []byte) []byte { return bytes.Repeat([]byte("text\n"), len(file)/5) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := damaged(t, damage)
			requireDamaged(t, cfg)
		})
	}
}

// A meta page that was torn by a crash belongs to a transaction that was not acknowledged: the one before it counts.
func TestTornCommit(t *testing.T) {
	for page := range 2 {
		cfg, entries := damaged(t, func(file []byte) []byte {
			clear(file[page*4096+32 : page*4096+512])
			return file
		})
		log := open(t, cfg)
		assert.True(t, log.Opening().LostCommit)
		got := readAll(t, log)
		assert.GreaterOrEqual(t, len(got), len(entries)-1)
		assert.Equal(t, entries[:len(got)], got)
		publish(t, log, batch(t, 1)...)
		publish(t, log, batch(t, 1)...)
		log.close()
		require.NoError(t, disklog.Check(cfg.Path))
		log = open(t, cfg)
		assert.False(t, log.Opening().LostCommit, "repaired by the next transactions")
	}
}

// Whatever happens to the bytes of a file, opening it fails with words, or it holds the entries that were written.
func TestRandomDamage(t *testing.T) {
	skipWithRaceDetector(t)
	var cfg disklog.Config
	cfg, entries := damaged(t, func(file []byte) []byte { return file })
	path := filepath.Join(cfg.Path, disklog.FileName)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	used := len(bytes.TrimRight(good, "\x00"))
	random := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 100 {
		bad := bytes.Clone(good)
		at := 2*4096 + random.IntN(used-2*4096)
		for n := range 1 + random.IntN(64) {
			bad[min(at+n, len(bad)-1)] ^= byte(1 + random.IntN(255))
		}
		require.NoError(t, os.Remove(path)) // a failed Open may keep the old file's lock until the process ends
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		log, err := disklog.Open(cfg)
		if err != nil {
			require.ErrorIs(t, err, disklog.ErrDamaged)
			refused++
			continue
		}
		require.Equal(t, entries, readAll(t, log))
		require.NoError(t, log.Close())
	}
	assert.Positive(t, refused)
	t.Logf("%d of 100 were refused; the others hit free pages", refused)
}

// Entries that are gone are noticed although every checksum is right.
func TestMissingEntries(t *testing.T) {
	for name, offsets := range map[string][]uint64{"first": {1}, "middle": {150}, "last": {300}, "all": nil} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := damaged(t, func(file []byte) []byte { return file })
			db, err := bbolt.Open(filepath.Join(cfg.Path, disklog.FileName), 0o600, nil)
			require.NoError(t, err)
			require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
				entries := tx.Bucket([]byte("entries"))
				if offsets == nil {
					for offset := range uint64(300) {
						offsets = append(offsets, offset+1)
					}
				}
				for _, offset := range offsets {
					if err := entries.Delete([]byte{0, 0, 0, 0, 0, 0, byte(offset >> 8), byte(offset)}); err != nil {
						return err
					}
				}
				return nil
			}))
			require.NoError(t, db.Close())
			requireDamaged(t, cfg)
		})
	}
}
