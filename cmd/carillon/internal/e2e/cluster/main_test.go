// Package cluster_test runs a whole cluster, NATS servers, nodes and HAProxy, and lets its parts fail.
package cluster_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"carillon/cmd/carillon/internal/servertest"
	"carillon/internal/localcluster"
)

// The programs under test; they are not set with -short.
var (
	root       string
	program    servertest.Program
	natsServer string
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "carillon-cluster-test")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }() // what remains is cleaned up by the system
		program, err = servertest.Build(dir)
	}
	if err == nil {
		root, err = localcluster.Root(context.Background())
	}
	if err == nil {
		natsServer, err = localcluster.BuildNATS(context.Background(), root, dir)
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

// haproxy returns the path of HAProxy, also from the folder that only the PATH of root has. It skips the test with -short.
func haproxy(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts whole programs")
	}
	for _, candidate := range []string{"haproxy", "/usr/sbin/haproxy"} {
		if file, err := exec.LookPath(candidate); err == nil {
			return file
		}
	}
	t.Fatal("haproxy is not installed; `make test` installs what the tests need")
	return ""
}
