// Command carillon is the server and its command line tools. This file and one file for each command are the command
// line; internal/config loads the configuration, and internal/server wires the components into a server.
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
	exitUsage   = 2 // invalid command line
)

// errLogged ends the process with exitFailure without a message: the cause has been logged.
var errLogged = errors.New("failed; the cause is logged")

// run runs the program and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(append([]string{}, args...)) // cobra takes nil for os.Args
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	if !errors.Is(err, errLogged) && !errors.Is(err, errProblems) {
		for line := range strings.Lines(err.Error()) {
			_, _ = fmt.Fprintf(stderr, "carillon: %s\n", strings.TrimRight(line, "\n"))
		}
	}
	if errors.Is(err, errProblems) {
		return exitProblems
	}
	if _, ok := errors.AsType[usageError](err); ok {
		_, _ = fmt.Fprintln(stderr, "carillon: see "+cmd.CommandPath()+" --help")
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

Without a command it runs the server. It needs no configuration: it listens on port
8080, and a browser that opens it shows its clock. Configuration comes from a YAML
file and from the environment; "carillon config" prints all of it.`
	root.Example = `  carillon                                  run the server
  CARILLON_HTTP_ADDR=:9000 carillon         run it on another port
  carillon --config carillon.yaml           run it with a configuration file
  curl -N http://localhost:8080/events      receive its clock`
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = thisBuild().String()
	root.SetVersionTemplate("{{.Version}}\n")
	root.Flags().Bool("version", false, "print the version")
	root.PersistentFlags().StringVar(&file, "config", "", "configuration `FILE` in YAML (default $CARILLON_CONFIG)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.AddCommand(
		serveCommand(&file),
		configCommand(&file),
		logCommand(&file),
		healthcheckCommand(&file),
		tokenCommand(&file),
		publishCommand(),
		subscribeCommand(),
		benchCommand(),
		doctorCommand(),
		versionCommand(),
		completionCommand(),
		manCommand(),
	)
	return root
}
