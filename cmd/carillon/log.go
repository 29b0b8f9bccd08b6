package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/infra/disklog"
)

func logCommand(file *string) *cobra.Command {
	var path string
	var check, asJSON bool
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Show and check the log on disk",
		Long: `Shows what the log on disk holds: its epoch, the oldest and the newest offset, how many events and
idempotency keys, and the size of its file. The directory is that of the configuration (history.disk.path)
or of --path. Nothing is changed.

The file is locked while a server uses it, so this works only while none does; use GET /status on the admin
listener of a running server.`,
		Example: `  carillon log --config /etc/carillon/carillon.yaml
  carillon log --path /data --check             read all of it and verify every checksum`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				c, err := config.Load(*file, os.Environ())
				if err != nil {
					return err
				}
				path = c.History.Disk.Path
			}
			info, err := disklog.Inspect(path)
			if err != nil {
				return describeLogError(path, err)
			}
			if check {
				if err := disklog.Check(path); err != nil {
					return describeLogError(path, err)
				}
			}
			return printLog(cmd, path, info, check, asJSON)
		},
	}
	cmd.Flags().StringVar(&path, "path", "", "`DIRECTORY` of the log; default: history.disk.path")
	cmd.Flags().BoolVar(&check, "check", false, "read the whole file and verify it")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// describeLogError adds what to do about an error of the log.
func describeLogError(path string, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("no log in %s", path)
	case errors.Is(err, disklog.ErrInUse):
		return fmt.Errorf("%w; ask GET /status on its admin listener, or stop it first", err)
	}
	return err
}

func printLog(cmd *cobra.Command, path string, info disklog.Info, checked, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{
			"path": path, "epoch": info.Epoch, "oldest": info.Oldest, "newest": info.Newest, "events": info.Entries,
			"keys": info.Keys, "file_bytes": info.FileBytes, "checked": checked,
		})
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "path\t%s\nepoch\t%s\noldest offset\t%d\nnewest offset\t%d\nevents\t%d\nidempotency keys\t%d\nfile size\t%d bytes\n",
		path, info.Epoch, info.Oldest, info.Newest, info.Entries, info.Keys, info.FileBytes)
	if checked {
		_, _ = fmt.Fprintln(w, "check\tno damage found")
	}
	return w.Flush()
}
