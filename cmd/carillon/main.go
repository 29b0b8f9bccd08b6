// Command carillon is the server, and the tools around it. It is the composition root: the only place where
// configuration is read, parts are wired and the process is ended.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	_ "time/tzdata" // the container has no time zones of its own

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2 // the command line makes no sense
)

// errLogged ends the process with exitFailure; what went wrong is in the log already.
var errLogged = errors.New("failed; the log says why")

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run is the program, and answers its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(append([]string{}, args...)) // cobra takes nil for os.Args
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		return 0
	}
	if !errors.Is(err, errLogged) {
		for line := range strings.Lines(err.Error()) {
			_, _ = fmt.Fprintf(stderr, "carillon: %s\n", strings.TrimRight(line, "\n"))
		}
	}
	if _, ok := errors.AsType[usageError](err); ok {
		_, _ = fmt.Fprintln(stderr, "carillon: see carillon --help")
		return exitUsage
	}
	return exitFailure
}

func newRoot() *cobra.Command {
	var file string
	root := serveCommand(&file)
	root.Use = "carillon"
	root.Short = "Push events to browsers over Server-Sent Events"
	root.Long = `Carillon pushes events from backends to browsers, over Server-Sent Events.

Without a command it runs the server, which needs no configuration: it listens on
port 8080, and every page that opens it sees its clock. Configuration comes from a
YAML file and from the environment; "carillon config" shows all of it.`
	root.Example = `  carillon                                  run the server
  CARILLON_HTTP_ADDR=:9000 carillon         ... on another port
  carillon --config carillon.yaml           ... with a configuration file
  curl -N http://localhost:8080/events      hear its clock`
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVar(&file, "config", "", "configuration `FILE` (YAML); also CARILLON_CONFIG")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		serveCommand(&file),
		configCommand(&file),
		healthcheckCommand(&file),
		tokenCommand(&file),
		publishCommand(),
		subscribeCommand(),
		benchCommand(),
		versionCommand(),
		manCommand(),
	)
	return root
}

// noArgs refuses arguments, which are mostly misspelt commands.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}
