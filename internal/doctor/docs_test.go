package doctor_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/doctor"
)

// The tables of docs/doctor.md have every check and every code of a finding, and nothing else.
func TestDocumentNamesEveryCode(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var written []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`(?:\bCode(?::|[^=\n:]*=) |\bfailed\()"([a-z0-9_]+)"`).FindAllSubmatch(source, -1) {
			written = append(written, string(match[1]))
		}
	}
	document, err := os.ReadFile("../../docs/doctor.md")
	require.NoError(t, err)
	var told, checks []string
	for _, match := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| `([a-z0-9_]+)` \\|").FindAllSubmatch(document, -1) {
		checks, told = append(checks, string(match[1])), append(told, string(match[2]))
	}
	slices.Sort(written)
	slices.Sort(told)
	assert.Equal(t, slices.Compact(written), slices.Compact(told))
	var names []string
	for _, check := range doctor.Checks() {
		names = append(names, check.Name)
	}
	assert.Equal(t, names, slices.Compact(checks))
}
