package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
	"carillon/internal/infra/tokens"
	"carillon/internal/transport/httpapi"
)

func serveCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the server (what carillon does without a command)",
		Long: `Runs the server until SIGTERM or Ctrl-C. Then it stops taking streams, ends those there
are over drain.window, each with word to its client when to come back, and exits 0.
A second signal ends it at once.

On SIGHUP it reads its configuration again and takes what may change while it runs: the log
level, tokens and keys (their files are read again), CORS and limits. Streams stay. The log says
what it took. All else, a renewed TLS certificate among it, needs a restart.

What keeps it from starting is said on standard error; everything else is in the log,
on standard output.`,
		Example: `  carillon serve --config carillon.yaml
  CARILLON_CLOCK_INTERVAL=500ms carillon serve`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(*file, os.Environ())
			if err != nil {
				return err
			}
			return serve(cmd.Context(), c, *file, cmd.OutOrStdout())
		},
	}
}

// serve runs the server until a signal or a failure ends it.
func serve(ctx context.Context, c *configuration, file string, out io.Writer) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	log, level, err := newLogger(c.Log, out)
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }() // not every output can be synced, and that is no failure

	limit, limited := fileLimit()
	streams := newCapacity(c.Limits.MaxStreams, limit, limited)
	var running struct {
		fx.In

		Server    *listeningServer
		Admin     adminServer
		Tokens    *tokens.Verifier
		API       *httpapi.API
		Publisher *pubsub.Engine
	}
	app := fx.New(options(c.Settings, streams, log), fx.Populate(&running))
	begun := time.Now()
	if err := startApp(ctx, app); err != nil {
		return dig.RootCause(err)
	}
	logStart(log, c, streams, running.Server, running.Admin)
	announceToken(log, running.Tokens)

	w := watch{
		log:      log,
		reloader: reloader{current: c, file: file, level: level, tokens: running.Tokens, api: running.API, log: log},
		engine:   running.Publisher,
	}
	reason, failed := w.awaitEnd(ctx, app, signals, hangups)
	err = stopApp(ctx, app, signals)
	log.Info("carillon stopped", zap.String("reason", reason), zap.Duration("uptime", time.Since(begun)), zap.NamedError("problem", err))
	if failed || err != nil {
		return errLogged
	}
	return nil
}

func startApp(ctx context.Context, app *fx.App) error {
	ctx, cancel := context.WithTimeout(ctx, app.StartTimeout())
	defer cancel()
	return app.Start(ctx)
}

// errCutShort says that a second signal did not let the server stop in order.
var errCutShort = errors.New("a second signal cut the stop short")

// stopApp stops in order, within the time that is set for it; a signal makes it give up at once.
func stopApp(ctx context.Context, app *fx.App, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(ctx, app.StopTimeout())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- app.Stop(ctx) }()
	select {
	case err := <-stopped:
		return err
	case <-signals:
		return errCutShort
	}
}

// announceToken tells the token that was made up, if one is in use, or nobody could publish.
func announceToken(log *zap.Logger, keys *tokens.Verifier) {
	if token, made := keys.Generated(); made {
		log.Info("no key is configured: made a token for publishing, good until the next start; set auth.publish_token to keep one",
			zap.String("token", token))
	}
}

func logStart(log *zap.Logger, c *configuration, streams capacity, srv *listeningServer, admin adminServer) {
	b := thisBuild()
	log.Info("carillon started",
		zap.String("version", b.version),
		zap.String("commit", b.commit),
		zap.String("go", b.goVersion),
		zap.Int("pid", os.Getpid()),
		zap.Stringer("addr", srv.listener.Addr()),
		zap.String("admin_addr", admin.addr()),
		zap.String("config", c.file),
		zap.Int("max_streams", streams.streams),
		zap.String("max_streams_reason", streams.reason),
		zap.Int("max_streams_per_ip", c.Limits.MaxStreamsPerIP),
		zap.Int("file_limit", streams.fileLimit),
	)
	if c.shortHistory() {
		log.Warn("the window is not smaller than the history: clients that are too slow will miss events; lower window.* or raise history.*")
	}
	if streams.tooMany {
		log.Warn("limits.max_streams is more than the file limit allows; raise the limit for open files (ulimit -n)",
			zap.Int("max_streams", streams.streams), zap.Int("file_limit", streams.fileLimit))
	}
}
