package metrics_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every query of the dashboard, and every metric in the operations guide, names a metric that exists.
func TestDashboardAndGuideNameMetricsThatExist(t *testing.T) {
	exist := map[string]bool{}
	golden, err := os.ReadFile("testdata/names.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(golden)) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); name != "" {
			exist[name] = true
		}
	}
	// Those of the standard collectors that the dashboard shows.
	for _, name := range []string{"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "go_goroutines"} {
		exist[name] = true
	}
	dashboard, err := os.ReadFile("../../../deploy/grafana/carillon.json")
	require.NoError(t, err)
	assert.True(t, json.Valid(dashboard))
	guide, err := os.ReadFile("../../../docs/operations.md")
	require.NoError(t, err)
	names := regexp.MustCompile(`\b(carillon_[a-z_]+[a-z]|process_[a-z_]+[a-z]|go_[a-z_]+[a-z])\b`)
	for _, text := range []string{string(dashboard), string(guide)} {
		found := names.FindAllString(text, -1)
		require.NotEmpty(t, found)
		for _, name := range found {
			assert.True(t, exist[strings.TrimSuffix(name, "_bucket")], name)
		}
	}
}
