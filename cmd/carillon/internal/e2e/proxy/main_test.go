// Package proxy_test runs the program as its operators do: behind nginx and HAProxy with the settings in deploy/, with its
// own TLS, and through a rolling restart. Every process it starts is its own child, on ports of the loopback that nobody uses.
package proxy_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// carillon is the program under test; empty under -short.
var carillon string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	os.Exit(withProgram(m))
}

// withProgram builds the program and runs the tests. CARILLON_PROGRAM names one that is built already.
func withProgram(m *testing.M) int {
	if carillon = os.Getenv("CARILLON_PROGRAM"); carillon != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "carillon-proxy")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }() // what is left of it is the system's to clean
		carillon = filepath.Join(dir, "carillon")
		build := exec.CommandContext(context.Background(), "go", "build", "-o", carillon, "carillon/cmd/carillon")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "building the program:", err)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// needs skips a test of whole programs under -short, and fails one whose program is not there.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts whole programs")
	}
	for _, name := range programs {
		if find(name) == "" {
			t.Fatalf("%s is not installed; `make test` installs what the tests need", name)
		}
	}
}

// find answers where a program is, also where only root's PATH looks; "" is nowhere.
func find(name string) string {
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if file, err := exec.LookPath(candidate); err == nil {
			return file
		}
	}
	return ""
}
