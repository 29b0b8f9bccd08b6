package main

import (
	"bytes"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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

// A server with a certificate of its own is measured when --ca has it, and only then.
func TestBenchTrustsTheCA(t *testing.T) {
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }))
	t.Cleanup(web.Close)
	folder := t.TempDir()
	ca, empty := filepath.Join(folder, "ca.pem"), filepath.Join(folder, "empty.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600))
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	args := []string{"bench", "--url", web.URL, "--streams", "0", "--rate", "50", "--duration", "100ms", "--quiet"}

	got := program.Run(t, "", append(args, "--ca", ca))
	assert.Zero(t, got.Code, got.Stderr)
	assert.Contains(t, got.Stdout, "5 (")
	assert.Contains(t, got.Stdout, " 0 failed")

	got = program.Run(t, "", args)
	assert.Equal(t, 1, got.Code)
	assert.Contains(t, got.Stderr, "a publish failed: connecting: tls: ")

	got = program.Run(t, "", append(args, "--ca", empty))
	assert.Equal(t, 2, got.Code)
	assert.Equal(t, "carillon: ca: no certificate in "+empty+"\ncarillon: see carillon bench --help\n", got.Stderr)
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
