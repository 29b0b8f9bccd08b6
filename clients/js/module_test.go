package js_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/clients/js"
	"carillon/clients/js/jstest"
)

var update = flag.Bool("update", false, "build carillon.min.mjs anew")

const moduleFile = "carillon.min.mjs"

// internal matches properties that only the module itself uses, so that they can be renamed too.
const internal = `^(arrivals|check|comment|final|goaway|heard|live|lived|peer|refuse|silent|take|wake|within|woken)$`

func TestModuleIsBuiltFromItsSource(t *testing.T) {
	built := api.Build(api.BuildOptions{
		EntryPoints: []string{"src/carillon.mjs"}, Bundle: true, Format: api.FormatESModule, Target: api.ES2022, Charset: api.CharsetUTF8,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, MangleProps: internal,
		Banner: map[string]string{"js": "// Carillon's client; its source is in clients/js of Carillon's repository."},
	})
	require.Empty(t, built.Errors)
	require.Empty(t, built.Warnings)
	require.Len(t, built.OutputFiles, 1)
	module := built.OutputFiles[0].Contents
	if *update {
		require.NoError(t, os.WriteFile(moduleFile, module, 0o600))
		return
	}
	assert.Equal(t, string(module), string(js.Module), "%s is not up to date; go test ./clients/js -update", moduleFile)
}

func TestModuleIsSmall(t *testing.T) {
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	require.NoError(t, err)
	_, err = w.Write(js.Module)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	t.Logf("%d bytes, compressed %d", len(js.Module), compressed.Len())
	assert.LessOrEqual(t, compressed.Len(), 4<<10)
}

// Every file that the package names exists, and the package has no dependencies.
func TestPackageIsWhole(t *testing.T) {
	text, err := os.ReadFile("package.json")
	require.NoError(t, err)
	var manifest struct {
		Type    string   `json:"type"`
		Types   string   `json:"types"`
		Files   []string `json:"files"`
		Exports map[string]struct {
			Types   string `json:"types"`
			Default string `json:"default"`
		} `json:"exports"`
	}
	require.NoError(t, json.Unmarshal(text, &manifest))
	assert.NotContains(t, string(text), "ependencies")
	assert.Equal(t, "module", manifest.Type)
	named := append([]string{manifest.Types}, manifest.Files...)
	require.NotEmpty(t, manifest.Exports)
	for _, export := range manifest.Exports {
		named = append(named, export.Types, export.Default)
	}
	for _, name := range named {
		_, err := os.Stat(name)
		assert.NoError(t, err)
	}
	for _, export := range manifest.Exports {
		for _, name := range []string{export.Types, export.Default} {
			assert.Contains(t, manifest.Files, strings.Split(strings.TrimPrefix(name, "./"), "/")[0], "not packed")
		}
	}
}

func TestScripts(t *testing.T) {
	node, err := jstest.Node()
	if err != nil {
		t.Skip(err)
	}
	tests, err := filepath.Glob("test/*.test.mjs")
	require.NoError(t, err)
	require.NotEmpty(t, tests)
	out, err := exec.CommandContext(context.Background(), node, append([]string{"--test"}, tests...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
