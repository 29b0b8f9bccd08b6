// Package packages_test builds a release and tries what is in it: the archives are reproducible, and the .deb installs a
// service that its own configuration starts.
package packages_test

import (
	"debug/buildinfo"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const version = "v9.8.7"

// dist runs scripts/dist.sh for one target and returns the folder it wrote.
func dist(t *testing.T, root string, env ...string) string {
	t.Helper()
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "scripts/dist.sh"), out)
	cmd.Env = append(os.Environ(), "TARGETS=linux/"+runtime.GOARCH, "VERSION="+version, "COMMIT=0123456789abcdef", "SOURCE_DATE_EPOCH=1700000000", "GOFLAGS=")
	cmd.Env = append(cmd.Env, env...)
	printed, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", printed)
	return out
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	printed, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, printed)
	return string(printed)
}

// Two builds of one commit are the same bytes, in whatever folder the source is and with nothing kept from the first.
func TestBuildsAreReproducible(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	first := dist(t, root)
	elsewhere := filepath.Join(t.TempDir(), "a folder elsewhere")
	require.NoError(t, os.CopyFS(elsewhere, withoutBuilds(root)))
	second := dist(t, elsewhere, "BUILD_CACHE="+t.TempDir())
	sums, err := os.ReadFile(filepath.Join(first, "SHA256SUMS"))
	require.NoError(t, err)
	again, err := os.ReadFile(filepath.Join(second, "SHA256SUMS"))
	require.NoError(t, err)
	assert.Equal(t, string(sums), string(again))
	for _, suffix := range []string{".tar.gz", ".deb", ".rpm", ".sbom.json"} {
		assert.Contains(t, string(sums), "carillon_"+version+"_linux_"+runtime.GOARCH+suffix)
	}

	t.Run("the sums hold", func(t *testing.T) {
		check := exec.CommandContext(t.Context(), "sha256sum", "--check", "SHA256SUMS")
		check.Dir = first
		printed, err := check.CombinedOutput()
		require.NoError(t, err, "%s", printed)
	})
	t.Run("the bill of materials names the modules of the binary", func(t *testing.T) {
		unpacked := t.TempDir()
		name := "carillon_" + version + "_linux_" + runtime.GOARCH
		run(t, "tar", "-xzf", filepath.Join(first, name+".tar.gz"), "-C", unpacked)
		info, err := buildinfo.ReadFile(filepath.Join(unpacked, name, "carillon"))
		require.NoError(t, err)
		content, err := os.ReadFile(filepath.Join(first, name+".sbom.json"))
		require.NoError(t, err)
		var sbom struct {
			Format     string `json:"bomFormat"`
			Components []struct{ Name, Version string }
		}
		require.NoError(t, json.Unmarshal(content, &sbom))
		assert.Equal(t, "CycloneDX", sbom.Format)
		listed := map[string]string{}
		for _, c := range sbom.Components {
			listed[c.Name] = c.Version
		}
		require.NotEmpty(t, info.Deps)
		for _, dep := range info.Deps {
			assert.Equal(t, dep.Version, listed[dep.Path], dep.Path)
		}
	})
	t.Run("the package installs and is removed", func(t *testing.T) { tryDebian(t, first) })
}

// tryDebian installs the .deb, uses what it brought, and removes it.
func tryDebian(t *testing.T, folder string) {
	t.Helper()
	if _, err := exec.LookPath("dpkg"); err != nil || os.Geteuid() != 0 {
		t.Skip("needs dpkg and root")
	}
	if _, err := os.Stat("/usr/bin/carillon"); err == nil {
		t.Skip("a carillon is installed on this machine already")
	}
	file := filepath.Join(folder, "carillon_"+version+"_linux_"+runtime.GOARCH+".deb")
	run(t, "dpkg", "--install", file)
	t.Cleanup(func() {
		_ = exec.Command("dpkg", "--purge", "carillon").Run() //nolint:noctx // the test's context is over
	})

	assert.Contains(t, run(t, "carillon", "version"), version)
	printed := run(t, "carillon", "config", "--config", "/etc/carillon/carillon.yaml")
	assert.Contains(t, printed, "/etc/carillon/carillon.yaml")
	assert.Contains(t, run(t, "getent", "passwd", "carillon"), "/var/lib/carillon")
	assert.Equal(t, "root carillon 640", strings.TrimSpace(run(t, "stat", "-c", "%U %G %a", "/etc/carillon/carillon.yaml")))

	unit, err := os.ReadFile("/usr/lib/systemd/system/carillon.service")
	require.NoError(t, err)
	assert.Contains(t, string(unit), "ExecStart=/usr/bin/carillon --config /etc/carillon/carillon.yaml")
	assert.Contains(t, string(unit), "User=carillon\n")
	assert.NotContains(t, string(unit), "DynamicUser")
	page := run(t, "zcat", "/usr/share/man/man1/carillon.1.gz")
	assert.Contains(t, page, `.TH "CARILLON" "1" "Nov 2023" "carillon `+version)
	for _, command := range []string{"carillon publish", "carillon subscribe", "carillon config", "carillon bench"} {
		assert.Contains(t, page, ".SS "+command)
	}
	completion, err := os.ReadFile("/usr/share/bash-completion/completions/carillon")
	require.NoError(t, err)
	assert.Contains(t, string(completion), "__start_carillon")

	t.Run("an edited configuration survives an upgrade and a removal, not a purge", func(t *testing.T) {
		const edited = "http:\n  addr: \":8081\"\n"
		require.NoError(t, os.WriteFile("/etc/carillon/carillon.yaml", []byte(edited), 0o640))
		run(t, "dpkg", "--install", "--force-confold", file)
		run(t, "dpkg", "--remove", "carillon")
		content, err := os.ReadFile("/etc/carillon/carillon.yaml")
		require.NoError(t, err)
		assert.Equal(t, edited, string(content))
		assert.NoFileExists(t, "/usr/bin/carillon")
		run(t, "dpkg", "--purge", "carillon")
		assert.NoFileExists(t, "/etc/carillon/carillon.yaml")
	})
}

// withoutBuilds is a source tree without what git and builds left in it.
func withoutBuilds(root string) fs.FS { return sourceOnly{os.DirFS(root)} }

type sourceOnly struct{ fs.FS }

// ReadDir leaves out the folders that are no source.
func (f sourceOnly) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.FS, name)
	if name == "." {
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == ".git" || e.Name() == "bin" || e.Name() == "dist" })
	}
	return entries, err
}
