package localcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Root returns the directory of the module of the current directory, from whose sources the programs are built.
func Root(ctx context.Context) (string, error) {
	file, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the module: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(file)))
	if _, err := os.Stat(filepath.Join(root, "cmd", "carillon")); err != nil {
		return "", errors.New("this is not a directory of Carillon's sources")
	}
	return root, nil
}

// BuildNATS builds nats-server, in the version that internal/tools/go.mod names, into a directory and returns its path.
func BuildNATS(ctx context.Context, root, dir string) (string, error) {
	return build(ctx, root, filepath.Join(dir, "nats-server"), "-modfile=internal/tools/go.mod", "github.com/nats-io/nats-server/v2")
}

// BuildCarillon builds the program into a directory and returns its path.
func BuildCarillon(ctx context.Context, root, dir string) (string, error) {
	return build(ctx, root, filepath.Join(dir, "carillon"), "carillon/cmd/carillon")
}

func build(ctx context.Context, root, path string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", path}, args...)...) //nolint:gosec // the caller names the program
	cmd.Dir, cmd.Stderr = root, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building %s: %w", filepath.Base(path), err)
	}
	return path, nil
}
