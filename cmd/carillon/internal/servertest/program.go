package servertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// Program is an executable Carillon.
type Program struct {
	Path string
	Env  []string // variables besides those of the test's environment and of settings
}

// Build builds the program in a folder, with further arguments of go build. CARILLON_PROGRAM names one that is built
// already.
func Build(dir string, args ...string) (Program, error) {
	if built := os.Getenv("CARILLON_PROGRAM"); built != "" {
		return Program{Path: built}, nil
	}
	path := filepath.Join(dir, "carillon")
	args = append([]string{"build", "-o", path}, args...)
	cmd := exec.CommandContext(context.Background(), "go", append(args, "carillon/cmd/carillon")...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return Program{}, fmt.Errorf("building the program: %w", err)
	}
	return Program{Path: path}, nil
}

// RaceFlag returns the argument of go build for the race detector, if the test itself runs with it.
func RaceFlag() []string {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return []string{"-race"}
	}
	return nil
}

// command returns a command of the program with these settings and no other.
func (p Program) command(ctx context.Context, args, variables []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.Path, args...)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "CARILLON_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(append(cmd.Env, p.Env...), variables...)
	return cmd
}

// Result is how a command ended and what it wrote.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Run runs a command of the program to its end, with settings of the form KEY=VALUE.
func (p Program) Run(t testing.TB, stdin string, args []string, settings ...string) Result {
	t.Helper()
	var variables []string
	for _, setting := range settings {
		variables = append(variables, "CARILLON_"+setting)
	}
	cmd := p.command(t.Context(), args, variables)
	var out, problems bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &problems
	_ = cmd.Run() // the exit code is in the result
	return Result{cmd.ProcessState.ExitCode(), out.String(), problems.String()}
}
