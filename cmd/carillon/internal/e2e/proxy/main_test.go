// Package proxy_test runs the program as its operators do: behind nginx and HAProxy with the settings in deploy/, with its
// own TLS, and through a rolling restart. Every process is a child of the test, on free ports of the loopback interface.
package proxy_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"carillon/cmd/carillon/internal/servertest"
)

// program is the program under test; it is not set with -short.
var program servertest.Program

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "carillon-proxy")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }() // what remains is cleaned up by the system
		program, err = servertest.Build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// needs skips a test with -short, and fails it if a program is not installed.
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

// find returns the path of a program, also from the folder that only the PATH of root has, or "".
func find(name string) string {
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if file, err := exec.LookPath(candidate); err == nil {
			return file
		}
	}
	return ""
}
