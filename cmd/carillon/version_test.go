package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBuildString(t *testing.T) {
	assert.Equal(t, "carillon v1 commit abc of 2025-06-18 (go1.26, "+platform()+")",
		build{version: "v1", commit: "abc", date: "2025-06-18", goVersion: "go1.26"}.String())
	assert.NotEmpty(t, thisBuild().version)
}

// "go install" in a clone needs no flags: the version is the tag, and the commit that of the clone.
func TestInstalledProgramKnowsItsVersion(t *testing.T) {
	if _, err := os.Stat("../../.git"); err != nil {
		t.Skip("this is no clone of the repository")
	}
	clone, bin := filepath.Join(t.TempDir(), "clone"), t.TempDir()
	run := func(dir, name string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOBIN="+bin)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	run(".", "git", "clone", "--quiet", "--depth=1", "file://"+root, clone)
	run(clone, "git", "tag", "v1.2.3")
	run(clone, "go", "install", "-buildvcs=true", "./cmd/carillon") // the default, which GOFLAGS may have changed here
	assert.Regexp(t, `\Acarillon v1\.2\.3 commit [0-9a-f]{40} of \d{4}-\S+ \(go1`, run(".", filepath.Join(bin, "carillon"), "version"))
}
