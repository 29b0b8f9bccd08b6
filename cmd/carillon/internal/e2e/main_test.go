// Package e2e_test runs the whole program as a child process and uses it as its users do: with a real Chromium on its page
// and on its streams, with curl, and with a plain HTTP client. Every process is a child of the test, on a port of the
// loopback interface that the system chose; the tests end those processes and no other.
package e2e_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"carillon/cmd/carillon/internal/servertest"
)

// waitTimeout bounds every wait for something that should happen soon.
const waitTimeout = servertest.WaitTimeout

// program is the program under test, and chromium the browser that all tests share. Neither is set with -short.
var (
	program  servertest.Program
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
	if program, err = servertest.Build(dir, servertest.RaceFlag()...); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// endToEnd marks a test of the whole program: it is skipped with -short, and runs in parallel with the others, because all
// of them mostly wait.
func endToEnd(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts the whole program and a browser")
	}
	t.Parallel()
}
