// Package e2e_test runs the whole program as a child process and looks at it the way its users do: with a real Chromium on
// its page and on its streams, with curl, and with a plain HTTP client. Every process it starts is its own child, on a port
// of the loopback that the system chose; it ends those and no other.
package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

// patience bounds every wait for something that should happen soon. It is long because machines are slow, not programs.
const patience = 20 * time.Second

// carillon is the program under test, and chromium the browser all tests share. Neither is there under -short.
var (
	carillon string
	chromium *browser
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	code, err := prepareAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func prepareAndRun(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "carillon-e2e")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if chromium, err = startBrowser(filepath.Join(dir, "profile")); err != nil {
		return 1, err
	}
	defer chromium.stop()
	if carillon, err = build(dir); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// build makes the program, with the race detector where the tests run under it. CARILLON_PROGRAM names one that is there.
func build(dir string) (string, error) {
	if built := os.Getenv("CARILLON_PROGRAM"); built != "" {
		return built, nil
	}
	program := filepath.Join(dir, "carillon")
	args := []string{"build", "-o", program}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(context.Background(), "go", append(args, "carillon/cmd/carillon")...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build the program: %w", err)
	}
	return program, nil
}

// whole marks a test of the whole program: skipped under -short, and run beside the others, since all of them mostly wait.
func whole(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts the whole program and a browser")
	}
	t.Parallel()
}
