package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
)

func TestLog(t *testing.T) {
	dir := t.TempDir()
	settings := []string{"HISTORY_BACKEND=disk", "HISTORY_DISK_PATH=" + dir, "AUTH_PUBLISH_TOKEN=sesame", "CLOCK_INTERVAL=1h"}
	s := program.Start(t, settings...)
	for _, data := range []string{"one", "two", "three"} {
		response := servertest.Publish(t, s.URL("/events?topic=a"), "sesame", data)
		require.NoError(t, response.Body.Close())
	}

	t.Run("while a server uses it", func(t *testing.T) {
		got := program.Run(t, "", []string{"log", "--path", dir})
		assert.Equal(t, exitFailure, got.Code)
		assert.Contains(t, got.Stderr, "in use by another process; ask GET /status")
	})
	require.Zero(t, s.Stop(t))
	t.Run("afterwards, from the configuration", func(t *testing.T) {
		got := program.Run(t, "", []string{"log", "--check"}, settings...)
		assert.Zero(t, got.Code, got.Stderr)
		assert.Regexp(t, `newest offset +\d+\n`, got.Stdout)
		assert.Contains(t, got.Stdout, "no damage found")
	})
	t.Run("as JSON", func(t *testing.T) {
		got := program.Run(t, "", []string{"log", "--path", dir, "--json"})
		assert.Zero(t, got.Code, got.Stderr)
		var info struct {
			Epoch          string
			Events, Newest int
			Checked        bool
		}
		require.NoError(t, json.Unmarshal([]byte(got.Stdout), &info))
		assert.Len(t, info.Epoch, 8)
		assert.GreaterOrEqual(t, info.Events, 3)
		assert.False(t, info.Checked)
	})
	t.Run("no log", func(t *testing.T) {
		got := program.Run(t, "", []string{"log", "--path", filepath.Join(dir, "nothing")})
		assert.Equal(t, exitFailure, got.Code)
		assert.Contains(t, got.Stderr, "no log in ")
		assert.NoDirExists(t, filepath.Join(dir, "nothing"))
	})
	t.Run("damage", func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			content = bytes.ReplaceAll(content, []byte("three"), []byte("tHree")) // all copies: old pages may hold some
			require.NoError(t, os.WriteFile(file, content, 0o600))
		}
		got := program.Run(t, "", []string{"log", "--path", dir, "--check"})
		assert.Equal(t, exitFailure, got.Code)
		assert.Contains(t, got.Stderr, "damaged")
		got = program.Run(t, "", nil, settings...)
		assert.Equal(t, exitFailure, got.Code, "a server does not start on it")
		assert.Contains(t, got.Stderr+got.Stdout, "damaged")
	})
}
