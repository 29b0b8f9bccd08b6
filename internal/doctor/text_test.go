package doctor_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/doctor"
)

func TestReportsAsTextAndJSON(t *testing.T) {
	report := doctor.Report{
		URL: "https://events.example.com/events", Server: doctor.ServerUnknown, Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Duration: 12, Level: doctor.Fail,
		Findings: []doctor.Finding{
			{Check: "head", Code: "head_at_once", Summary: "at once", Meaning: "not shown"},
			{Check: "path", Code: "path_seen", Level: doctor.Info, Summary: "seen \x1b[31mred\n"},
			{
				Check: "buffering", Code: "bursts", Level: doctor.Fail, Summary: "bursts", Meaning: "It means this.", Change: "Change that.",
				Config: []doctor.Setting{{Product: "nginx", Lines: []string{"one;", "two;"}}}, Values: map[string]any{"bursts": 3},
			},
		},
	}
	var text strings.Builder
	require.NoError(t, report.WriteText(&text))
	assert.Equal(t, `https://events.example.com/events (not recognised as Carillon)
ok    head         at once
info  path         seen �[31mred�
fail  buffering    bursts
                   It means this.
                   Change that.
                     nginx       one;
                                 two;
problems: 1, warnings: 0
`, text.String())

	written, err := json.Marshal(report)
	require.NoError(t, err)
	assert.JSONEq(t, `{"url":"https://events.example.com/events","server":"unknown","started":"2026-01-02T03:04:05Z","duration_ms":12,"level":"fail","findings":[
		{"check":"head","code":"head_at_once","level":"ok","summary":"at once","meaning":"not shown"},
		{"check":"path","code":"path_seen","level":"info","summary":"seen \u001b[31mred\n"},
		{"check":"buffering","code":"bursts","level":"fail","summary":"bursts","meaning":"It means this.","change":"Change that.",
		 "config":[{"product":"nginx","lines":["one;","two;"]}],"values":{"bursts":3}}]}`, string(written))
}
