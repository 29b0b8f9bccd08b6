// Package server wires the components of Carillon into a running server. The program runs one, and tests can start one in
// their process, ask for its addresses and stop it.
package server

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/infra/logging"
	"carillon/internal/infra/tokens"
)

// stopGrace is how long the components may take to stop after the streams have ended or drain.timeout has passed.
const stopGrace = 5 * time.Second

// flushTimeout is how long a stopped server waits for its last log records to be written.
const flushTimeout = time.Second

// Options are what a server is made of.
type Options struct {
	Config *config.Configuration
	Reload func() (*config.Configuration, error) // reads the configuration again, for [Server.Reload]
	Build  Build
	Output io.Writer // takes the log records
	Notice io.Writer // takes what a person at a terminal is told; nil if there is none
}

// Build identifies the program that is running.
type Build struct{ Version, Commit, Go string }

// Server is a running server.
type Server struct {
	app      *fx.App
	records  *logging.Queue
	logger   *zap.Logger
	failure  *failure
	started  time.Time
	stopOnce sync.Once
	stopErr  error
	parts    parts
	reloader reloader
	drain    config.Drain
	notice   io.Writer
}

// Start starts a server. It listens when Start returns.
func Start(ctx context.Context, o Options) (*Server, error) {
	records, logger, level, err := newLogger(o.Config.Log, o.Output)
	if err != nil {
		return nil, err
	}
	s := &Server{records: records, logger: logger, failure: newFailure(), started: time.Now(), drain: o.Config.Drain, notice: o.Notice}
	limit, limited := fileLimit()
	streams := newCapacity(o.Config.Limits.MaxStreams, limit, limited)
	s.app = fx.New(modules(o, streams, s), fx.Populate(&s.parts))
	if err := s.startApp(ctx); err != nil {
		s.flush(ctx)
		return nil, dig.RootCause(err)
	}
	s.reloader = reloader{
		current: o.Config, read: o.Reload, level: level,
		tokens: s.parts.Tokens, api: s.parts.API, publisher: s.parts.Publisher, subscriber: s.parts.Subscriber,
		pair: s.parts.Certificate, logger: logger,
	}
	s.logStart(o, streams)
	logGeneratedToken(logger, s.parts.Tokens)
	return s, nil
}

func (s *Server) startApp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.app.StartTimeout())
	defer cancel()
	return s.app.Start(ctx)
}

// Addr returns the address of the public listener.
func (s *Server) Addr() string { return s.parts.Public.listener.Addr().String() }

// AdminAddr returns the address of the admin listener, or "" if it is turned off.
func (s *Server) AdminAddr() string { return s.parts.Admin.addr() }

// Failed returns a channel that is closed when a component of the server has failed. The server must then be stopped.
func (s *Server) Failed() <-chan struct{} { return s.failure.failed }

// Check returns an error unless every shard of the engine responds until ctx ends.
func (s *Server) Check(ctx context.Context) error { return s.parts.Engine.Ping(ctx) }

// Reload reads the configuration again and applies what may change while the server runs. What changed, what needs a
// restart and what went wrong is logged. It must not be called concurrently.
func (s *Server) Reload() { s.reloader.reload() }

// Stop drains the streams and stops the server: streams, then the listener, then its dependencies. The reason is logged.
// Stop returns within drain.timeout and a few seconds; when ctx ends, it returns early with the cause and leaves the rest
// running. Further calls return the result of the first one.
func (s *Server) Stop(ctx context.Context, reason string) error {
	s.stopOnce.Do(func() {
		s.stopErr = s.stopApp(ctx)
		s.logger.Info("carillon stopped", zap.String("reason", reason), zap.Duration("uptime", time.Since(s.started)), zap.NamedError("problem", s.stopErr))
		s.flush(context.WithoutCancel(ctx))
	})
	return s.stopErr
}

func (s *Server) stopApp(ctx context.Context) error {
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.app.StopTimeout())
		defer cancel()
		stopped <- s.app.Stop(ctx)
	}()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// flush writes the last log records.
func (s *Server) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	_ = s.records.Close(ctx) // an output that is not read is no failure of the server
}

// logGeneratedToken logs the token that was generated, if one is in use: it is the only way to publish.
func logGeneratedToken(logger *zap.Logger, verifier *tokens.Verifier) {
	if token, generated := verifier.Generated(); generated {
		logger.Info("no key is configured: generated a token for publishing, valid until the next start; set auth.publish_token to keep one",
			zap.String("token", token))
	}
}

func (s *Server) logStart(o Options, streams capacity) {
	s.logger.Info("carillon started",
		zap.String("version", o.Build.Version),
		zap.String("commit", o.Build.Commit),
		zap.String("go", o.Build.Go),
		zap.Int("pid", os.Getpid()),
		zap.String("addr", s.Addr()),
		zap.String("admin_addr", s.AdminAddr()),
		zap.String("node", nodeName(o.Config.Node)),
		zap.String("log", o.Config.History.Backend),
		zap.String("config", o.Config.File),
		zap.Int("max_streams", streams.streams),
		zap.String("max_streams_reason", streams.reason),
		zap.Int("max_streams_per_ip", o.Config.Limits.MaxStreamsPerIP),
		zap.Int("file_limit", streams.fileLimit),
	)
	if o.Config.ShortHistory() {
		s.logger.Warn("the window is not smaller than the history: clients that are too slow will miss events; lower window.* or raise history.*")
	}
	if o.Config.ShortGrace() {
		s.logger.Warn("presence.grace is not longer than twice stream.retry: members who reconnect are told to have left and joined; raise it")
	}
	if streams.tooMany {
		s.logger.Warn("limits.max_streams is more than the file limit allows; raise the limit for open files (ulimit -n)",
			zap.Int("max_streams", streams.streams), zap.Int("file_limit", streams.fileLimit))
	}
}
