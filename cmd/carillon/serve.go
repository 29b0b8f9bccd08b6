package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"carillon/cmd/carillon/internal/config"
	"carillon/cmd/carillon/internal/server"
)

func serveCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the server (the default command)",
		Long: `Runs the server until SIGTERM or Ctrl-C. It then refuses new streams, ends the open ones,
drain.rate per second and within drain.window, telling each client when to reconnect, and
exits with 0. A second signal ends it at once.

On SIGHUP it reads its configuration again and applies what may change while it runs: the log
level, tokens and keys (their files are read again), the TLS certificate, CORS and limits.
Streams stay open. The changes are logged. All other changes need a restart. A renewed TLS
certificate is also found without the signal, within seconds.

Errors that prevent the start are printed on standard error. Everything else is logged on
standard output.`,
		Example: `  carillon serve --config carillon.yaml
  CARILLON_CLOCK_INTERVAL=500ms carillon serve`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var notice io.Writer // only for a person: what else reads standard error has the log records
			if f, ok := cmd.ErrOrStderr().(*os.File); ok && isatty.IsTerminal(f.Fd()) {
				notice = f
			}
			return serve(cmd.Context(), *file, cmd.OutOrStdout(), notice)
		},
	}
}

// serve runs the server until a signal or a failure ends it.
func serve(ctx context.Context, file string, out, notice io.Writer) error {
	load := func() (*config.Configuration, error) { return config.Load(file, os.Environ()) }
	loaded, err := load()
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(stop)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)

	b := thisBuild()
	s, err := server.Start(ctx, server.Options{
		Config: loaded, Reload: load,
		Build:  server.Build{Version: b.version, Commit: b.commit, Go: b.goVersion},
		Output: out, Notice: notice,
	})
	if err != nil {
		return err
	}
	if err := s.Run(ctx, stop, reload); err != nil {
		return errLogged
	}
	return nil
}
