package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"carillon/internal/loadgen"
)

// A redirected standard error has no control codes.
func TestBenchProgressInAFile(t *testing.T) {
	s := program.Start(t, "AUTH_PUBLISH_TOKEN=sesame")
	got := program.Run(t, "", []string{"bench", "--streams", "2", "--duration", "100ms"}, "URL="+s.URL("/events"), "TOKEN=sesame")
	assert.Zero(t, got.Code, got.Stderr)
	assert.NotContains(t, got.Stderr, "\x1b")
	assert.NotContains(t, got.Stderr, "\r")
}

func TestProgressInAFileIsALineForEachPhase(t *testing.T) {
	var out bytes.Buffer
	show := progressPrinter(&out, false)
	show(loadgen.Progress{Phase: "opening", Elapsed: time.Second, Opened: 1})
	show(loadgen.Progress{Phase: "opening", Elapsed: 2 * time.Second, Opened: 2})
	show(loadgen.Progress{Phase: "idle", Elapsed: 3 * time.Second, Opened: 2})
	assert.Equal(t, "1s: opening, 1 streams, 0 published, 0 delivered\n3s: idle, 2 streams, 0 published, 0 delivered\n", out.String())
}

func TestProgressOnATerminalIsOneLine(t *testing.T) {
	var out bytes.Buffer
	show := progressPrinter(&out, true)
	show(loadgen.Progress{Phase: "opening", Elapsed: time.Second, Opened: 1})
	show(loadgen.Progress{Phase: "opening", Elapsed: 2 * time.Second, Opened: 2})
	assert.Equal(t, "\r\x1b[K1s: opening, 1 streams, 0 published, 0 delivered\r\x1b[K2s: opening, 2 streams, 0 published, 0 delivered", out.String())
}
