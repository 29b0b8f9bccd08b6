// Package doctor_test examines real servers behind real proxies: Carillon, nginx and HAProxy, each its own child process on
// ports of the loopback that nobody uses, and small servers that misbehave in one way each.
package doctor_test

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

// program is the path of the built server; empty under -short.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		goleak.VerifyTestMain(m)
		return
	}
	os.Exit(withProgram(m))
}

// withProgram builds the server and runs the tests. CARILLON_PROGRAM names one that is built already.
func withProgram(m *testing.M) int {
	if program = os.Getenv("CARILLON_PROGRAM"); program == "" {
		dir, err := os.MkdirTemp("", "carillon-doctor")
		if err == nil {
			defer func() { _ = os.RemoveAll(dir) }() // what is left of it is the system's to clean
			program = filepath.Join(dir, "carillon")
			build := exec.CommandContext(context.Background(), "go", "build", "-o", program, "carillon/cmd/carillon")
			build.Stderr = os.Stderr
			err = build.Run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "building the server:", err)
			return 1
		}
	}
	// The tests wait more than they compute.
	if err := flag.Set("test.parallel", "8"); err != nil {
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
