package loadgen_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carillon/internal/loadgen"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The report matches exactly what the server did.
func TestReportIsExact(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*loadgen.Config)
		deliver func(stream int, text string) []string
		report  loadgen.Report
	}{
		"all well":        {report: loadgen.Report{Published: 30, Wanted: 300, Delivered: 300}},
		"topics":          {change: func(c *loadgen.Config) { c.Topics = 5 }, report: loadgen.Report{Published: 30, Wanted: 60, Delivered: 60}},
		"stalled streams": {change: func(c *loadgen.Config) { c.Stalled = 4 }, report: loadgen.Report{Stalled: 4, Published: 30, Wanted: 180, Delivered: 180}},
		"several events at once": {
			change: func(c *loadgen.Config) { c.Body = "{stamp} {stamp} {stamp}" },
			report: loadgen.Report{Published: 30, Wanted: 900, Delivered: 900},
		},
		"a repeat makes up for no loss": {
			deliver: func(stream int, text string) []string {
				switch stream {
				case 0:
					return nil
				case 1:
					return []string{text, text}
				}
				return []string{text}
			},
			report: loadgen.Report{Published: 30, Wanted: 300, Delivered: 300, Lost: 30, Repeated: 30},
		},
		"nothing to publish": {change: func(c *loadgen.Config) { c.Duration = 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeServer(t)
			s.deliver = test.deliver
			cfg := s.config(t)
			if test.change != nil {
				test.change(&cfg)
			}
			got, err := loadgen.Run(t.Context(), cfg, nil)
			require.NoError(t, err)
			assert.Equal(t, 10, got.Streams)
			assert.Zero(t, got.Closed)
			assert.Equal(t, test.report, loadgen.Report{
				Stalled: got.Stalled, Published: got.Published, PublishErrors: got.PublishErrors,
				Wanted: got.Wanted, Delivered: got.Delivered, Lost: got.Lost, Repeated: got.Repeated,
			})
			if got.Published > 0 {
				assert.Positive(t, got.Latency.P50)
				assert.GreaterOrEqual(t, got.Latency.Max, got.Latency.P99)
			}
		})
	}
}

// The latency of an event counts from when it was due, also when the server delays its publisher.
func TestLatencyCountsFromWhenAnEventWasDue(t *testing.T) {
	s := newFakeServer(t)
	s.respond = func(n int64, _ http.ResponseWriter) bool {
		if n == 1 {
			<-time.After(200 * time.Millisecond)
		}
		return true
	}
	cfg := s.config(t)
	cfg.Publishers = 1
	got, err := loadgen.Run(t.Context(), cfg, nil)
	require.NoError(t, err)
	assert.Greater(t, got.Latency.P50, 50.0, "half of the events were due while the first was held up")
	assert.Greater(t, got.PublishLatency.P50, 50.0, "and so were their responses")
}

// A run whose context ends returns soon, even if its server hangs, and reports what it measured.
func TestRunIsCutShort(t *testing.T) {
	s := newFakeServer(t)
	hold := make(chan struct{})
	s.respond = func(n int64, _ http.ResponseWriter) bool {
		if n > 10 {
			<-hold
		}
		return true
	}
	t.Cleanup(func() { close(hold) })
	cfg := s.config(t)
	cfg.Duration = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan loadgen.Progress, 100)
	time.AfterFunc(2500*time.Millisecond, cancel)
	got, err := loadgen.Run(ctx, cfg, func(p loadgen.Progress) { told <- p })
	require.NoError(t, err)
	assert.EqualValues(t, 10, got.Published)
	assert.EqualValues(t, 100, got.Delivered)
	assert.Zero(t, got.PublishErrors)
	assert.EqualValues(t, 10, (<-told).Opened)
}

// The report contains the usage of a server on this machine.
func TestUsageOfTheServer(t *testing.T) {
	s := newFakeServer(t)
	cfg := s.config(t)
	cfg.PID, cfg.Idle = os.Getpid(), 100*time.Millisecond
	s.respond = func(int64, http.ResponseWriter) bool { // uses more processor time than the unit in which it is counted
		_ = sha256.Sum256(make([]byte, 4<<20))
		return true
	}
	got, err := loadgen.Run(t.Context(), cfg, nil)
	require.NoError(t, err)
	if runtime.GOOS == "linux" {
		assert.Positive(t, got.Loader.RSS)
		assert.Positive(t, got.PublishCPUMicros)
		assert.Positive(t, got.PublishSwitches)
	}
	var table bytes.Buffer
	require.NoError(t, got.Write(&table))
	assert.Regexp(t, regexp.MustCompile(`delivered +300 of 300 \(\d+/s\), 0 lost, 0 repeated`), table.String())
}

func TestValidateNamesTheFlag(t *testing.T) {
	s := newFakeServer(t)
	type config = loadgen.Config
	for name, test := range map[string]struct {
		message string
		change  func(*config)
	}{
		"http2, no streams":   {"http2: must be off without streams", func(c *config) { c.Streams, c.HTTP2 = 0, true }},
		"url":                 {"url", func(c *config) { c.URL = &url.URL{Scheme: "ftp", Host: "x"} }},
		"streams":             {"streams: must not be negative (got -1)", func(c *config) { c.Streams = -1 }},
		"nothing to do":       {"duration: must be above 0 without streams", func(c *config) { c.Streams, c.Duration = 0, 0 }},
		"stalled, no streams": {"stalled: must be 0 without streams (got 1)", func(c *config) { c.Streams, c.Stalled = 0, 1 }},
		"topics, no streams":  {"topics: must be above 0 (got 0)", func(c *config) { c.Streams, c.Topics = 0, 0 }},
		"stalled":             {"stalled", func(c *config) { c.Stalled = 10 }},
		"topics":              {"topics", func(c *config) { c.Topics = 11 }},
		"publishers":          {"publishers", func(c *config) { c.Publishers = 0 }},
		"rate":                {"rate", func(c *config) { c.Rate = -1 }},
		"paths":               {"paths", func(c *config) { c.PublishPath = "publish" }},
		"body":                {"body", func(c *config) { c.Body = "no time" }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := s.config(t)
			test.change(&cfg)
			_, err := loadgen.Run(t.Context(), cfg, nil)
			assert.ErrorContains(t, err, test.message, fmt.Sprint(cfg))
		})
	}
}
