package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker, as in -X main.version=v1.2.3. The values that are not set are taken from the build information that
// the Go command records.
var (
	version string
	commit  string
	date    string
)

// build identifies a build of the program.
type build struct{ version, commit, date, goVersion string }

func thisBuild() build {
	b := build{version: version, commit: commit, date: date, goVersion: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	recorded := map[string]string{}
	for _, s := range info.Settings {
		recorded[s.Key] = s.Value
	}
	if b.commit == "" {
		b.commit = recorded["vcs.revision"]
		if b.commit != "" && recorded["vcs.modified"] == "true" {
			b.commit += "-dirty"
		}
	}
	if b.date == "" {
		b.date = recorded["vcs.time"]
	}
	if b.version == "" && info.Main.Version != "(devel)" {
		b.version = info.Main.Version
	}
	if b.version == "" {
		b.version = "dev"
	}
	return b
}

func (b build) String() string {
	s := "carillon " + b.version
	if b.commit != "" {
		s += " commit " + b.commit
	}
	if b.date != "" {
		s += " of " + b.date
	}
	return fmt.Sprintf("%s (%s, %s)", s, b.goVersion, platform())
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), thisBuild())
			return err
		},
	}
}

func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }
