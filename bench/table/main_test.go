package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The table has the medians of each case, those of the server that it is compared with, and their ratios where both have
// a figure.
func TestTable(t *testing.T) {
	folder := t.TempDir()
	for name, reports := range map[string]string{
		"alone.ours":  `{"stream_rss_bytes": 2048}`,
		"pair.ours":   `{"delivery_cpu_us": 9} {"delivery_cpu_us": 3} {"delivery_cpu_us": 6, "publish_cpu_us": 1}`,
		"pair.floor":  `{"delivery_cpu_us": 4} {"delivery_cpu_us": 4} {"delivery_cpu_us": 100}`,
		"reader.ours": `{"delivery_cpu_us": 150, "publish_cpu_us": 150, "publish_switches": 2.5, "publish_latency_ms": {"p50": 0.5}}`,
		"reader.bare": `{"publish_cpu_us": 100, "publish_switches": 5, "publish_latency_ms": {"p50": 0.25}}`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(reports), 0o600))
	}
	var table bytes.Buffer
	require.NoError(t, run(folder, &table))
	var rows [][]string
	for line := range bytes.Lines(table.Bytes()) {
		var cells []string
		for cell := range bytes.FieldsSeq(line) {
			cells = append(cells, string(cell))
		}
		rows = append(rows, cells)
	}
	require.Len(t, rows, 8)
	none := "-"
	assert.Equal(t, []string{"alone", "carillon", none, none, none, none, none, none, none, none, "2.00", none, none, none}, rows[1])
	assert.Equal(t, []string{"pair", "carillon", "6.00", none}, rows[2][:4])
	assert.Equal(t, []string{"floor", "4.00", none}, rows[3][:3])
	assert.Equal(t, []string{"ratio", "1.50", none}, rows[4][:3])
	assert.Equal(t, []string{"reader", "carillon", "150.00", "150.00", "2.50", "0.50"}, rows[5][:6])
	assert.Equal(t, []string{"bare", none, "100.00", "5.00", "0.25"}, rows[6][:5])
	assert.Equal(t, []string{"ratio", none, "1.50", "0.50", "2.00"}, rows[7][:5])
}
