package main

import (
	"time"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/timefeed"
	"carillon/internal/domain/event"
	"carillon/internal/infra/memlog"
	"carillon/internal/infra/metrics"
	"carillon/internal/infra/tokens"
	"carillon/internal/transport/httpapi"
	"carillon/internal/transport/sse"
	"carillon/internal/transport/webui"
)

// stopGrace is what the parts have to stop in once the streams are gone, or were given up.
const stopGrace = 5 * time.Second

// options are the server: one module for each concern, in the order of the way of an event.
func options(s Settings, streams capacity, log *zap.Logger) fx.Option {
	return fx.Options(
		fx.Supply(log),
		fx.WithLogger(func(log *zap.Logger) fxevent.Logger { return fxLogger(log) }),
		fx.StopTimeout(s.Drain.Timeout+stopGrace),

		clockModule(s),
		engineModule(s),
		accessModule(s),
		httpModule(s, streams),
		metricsModule(),
		adminModule(s),

		fx.Invoke(func(p process, parts parts) { start(p, s, parts) }),
	)
}

// clockModule ticks, and makes events of ticks.
func clockModule(s Settings) fx.Option {
	return fx.Module("clock",
		fx.Supply(s.Clock),
		fx.Provide(
			func(cfg timefeed.Config, pub *pubsub.Engine, count *metrics.Metrics, log *zap.Logger) (*timefeed.Feed, error) {
				return timefeed.New(cfg, time.Now, pub, clockObserver{count, log.Named("clock")})
			},
		),
	)
}

// engineModule keeps events and carries them to streams.
func engineModule(s Settings) fx.Option {
	return fx.Module("engine",
		fx.Supply(s.History),
		fx.Provide(
			memlog.New,
			func(log *memlog.Log, count *metrics.Metrics) (*pubsub.Engine, error) {
				return pubsub.New(s.engine(), log, count)
			},
		),
	)
}

// accessModule tells who may do what.
func accessModule(s Settings) fx.Option {
	return fx.Module("access",
		fx.Supply(s.Auth),
		fx.Provide(func(cfg tokens.Config, log *zap.Logger) (*tokens.Verifier, error) {
			log = log.Named("access")
			return tokens.New(cfg, func(err error) { log.Warn("keys cannot be had", zap.Error(err)) })
		}),
	)
}

// httpModule speaks to clients.
func httpModule(s Settings, streams capacity) fx.Option {
	limits := s.Limits
	limits.MaxStreams = streams.streams
	return fx.Module("http",
		fx.Provide(
			func() (*sse.Server, error) { return sse.New(s.Stream.Config) },
			webui.New,
			func(deps apiDeps) (*httpapi.API, error) {
				return httpapi.New(s.HTTP, limits, httpapi.Deps{
					Engine:   deps.Publisher,
					Streams:  deps.Streams,
					Auth:     deps.Auth,
					Page:     deps.Page,
					Default:  event.PatternOf(timefeed.Topic),
					Observer: deps.Metrics,
					Logger:   deps.Log.Named("http"),
				})
			},
			func(api *httpapi.API, log *zap.Logger) *listeningServer {
				return newServer(s.HTTP, s.Stream.Options, api, log.Named("http"))
			},
		),
	)
}

type apiDeps struct {
	fx.In

	Publisher *pubsub.Engine
	Streams   *sse.Server
	Auth      *tokens.Verifier
	Page      *webui.Page
	Metrics   *metrics.Metrics
	Log       *zap.Logger
}

// parts are what has a life of its own.
type parts struct {
	fx.In

	Publisher *pubsub.Engine
	Streams   *sse.Server
	Feed      *timefeed.Feed
	Tokens    *tokens.Verifier
	Server    *listeningServer
	Admin     adminServer
}

// start says in which order the parts come to life. They stop in the reverse: streams first, then the door, then what
// was behind it, and last the admin listener, so that the stop itself can be watched.
func start(p process, s Settings, parts parts) {
	if !parts.Admin.off() {
		p.serve(parts.Admin.listeningServer)
	}
	p.background("keys", parts.Tokens.Run)
	p.background("stream writer", parts.Streams.Run) // the publisher's last act is to end streams
	p.background("publisher", parts.Publisher.Run)
	p.background("clock", parts.Feed.Run)
	p.serve(parts.Server)
	p.drain(s.Drain, parts.Publisher)
}
