package server

import (
	"time"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/timefeed"
	"carillon/internal/domain/event"
	"carillon/internal/infra/logging"
	"carillon/internal/infra/metrics"
	"carillon/internal/infra/tokens"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/httpapi"
	"carillon/internal/transport/sse"
	"carillon/internal/transport/webui"
)

// modules returns the server: one module for each concern, in the order an event passes through them.
func modules(o Options, streams capacity, s *Server) fx.Option {
	settings := o.Config.Settings
	return fx.Options(
		fx.Supply(s.logger, s.records, s.failure, o.Build),
		fx.WithLogger(func(logger *zap.Logger) fxevent.Logger { return newFxLogger(logger) }),
		fx.StopTimeout(settings.Drain.Timeout+stopGrace),

		clockModule(settings),
		engineModule(settings),
		accessModule(settings),
		httpModule(settings, streams),
		metricsModule(),
		adminModule(settings),

		fx.Invoke(func(l lifecycle, p parts) { appendAll(l, settings.Drain, p) }),
	)
}

// clockModule publishes the ticks of the clock.
func clockModule(s config.Settings) fx.Option {
	return fx.Module("clock",
		fx.Supply(s.Clock),
		fx.Provide(
			func(cfg timefeed.Config, engine *pubsub.Engine, count *metrics.Metrics, logger *zap.Logger) (*timefeed.Feed, error) {
				return timefeed.New(cfg, time.Now, engine, clockObserver{count, logger.Named("clock")})
			},
		),
	)
}

// engineModule keeps events and delivers them to streams.
func engineModule(s config.Settings) fx.Option {
	return fx.Module("engine",
		fx.Provide(
			func(logger *zap.Logger) (eventLog, error) { return openEventLog(s, logger.Named("history")) },
			func(log pubsub.Log, count *metrics.Metrics, logger *zap.Logger) (*pubsub.Engine, error) {
				return pubsub.New(s.Engine(), log, engineObserver{count, logger.Named("engine")})
			},
		),
	)
}

// accessModule verifies tokens.
func accessModule(s config.Settings) fx.Option {
	return fx.Module("access",
		fx.Supply(s.Auth),
		fx.Provide(func(cfg tokens.Config, logger *zap.Logger) (*tokens.Verifier, error) {
			logger = logger.Named("access")
			return tokens.New(cfg, func(err error) { logger.Warn("cannot fetch signing keys", zap.Error(err)) })
		}),
	)
}

// httpModule serves the public HTTP interface.
func httpModule(s config.Settings, streams capacity) fx.Option {
	limits := s.Limits
	limits.MaxStreams = streams.streams
	return fx.Module("http",
		fx.Provide(
			func() (*delivery.Server, error) { return delivery.New(s.Stream.Config) },
			webui.New,
			func(deps apiDeps) (*httpapi.API, error) {
				return httpapi.New(s.HTTP, limits, httpapi.Deps{
					Engine:   deps.Engine,
					Streams:  deps.Streams.Transport(sse.Codec{}),
					Auth:     deps.Auth,
					Page:     deps.Page,
					Default:  event.PatternOf(timefeed.Topic),
					Observer: deps.Metrics,
					Logger:   deps.Logger.Named("http"),
				})
			},
			func(api *httpapi.API, logger *zap.Logger) *listener {
				return newPublicListener(s.HTTP, s.Stream.Options, api, logger.Named("http"))
			},
		),
	)
}

type apiDeps struct {
	fx.In

	Engine  *pubsub.Engine
	Streams *delivery.Server
	Auth    *tokens.Verifier
	Page    *webui.Page
	Metrics *metrics.Metrics
	Logger  *zap.Logger
}

// metricsModule counts what the other components do.
func metricsModule() fx.Option {
	return fx.Module("metrics",
		fx.Provide(func(b Build) *metrics.Metrics { return metrics.New(metrics.Build(b)) }),
		fx.Invoke(func(count *metrics.Metrics, s metricsSources) error {
			return count.Watch(metrics.Sources{
				Engine: s.Engine, Log: s.Log, Clock: s.Clock,
				Streams: func() (map[string]int64, int64) {
					stats := s.Streams.Stats()
					return stats.Open, stats.Bytes
				},
				LogRecordsDropped: s.Records.Dropped,
			})
		}),
	)
}

type metricsSources struct {
	fx.In

	Engine  *pubsub.Engine
	Log     pubsub.Log
	Clock   *timefeed.Feed
	Streams *delivery.Server
	Records *logging.Queue
}

// parts are the components that run from start to stop.
type parts struct {
	fx.In

	Log     logLife
	Engine  *pubsub.Engine
	Streams *delivery.Server
	Feed    *timefeed.Feed
	Tokens  *tokens.Verifier
	API     *httpapi.API
	Public  *listener
	Admin   adminListener
}

// appendAll determines the order in which the components start. They stop in the reverse order: streams, then the public
// listener, then its dependencies, and last the admin listener, so that the stop can be observed.
func appendAll(l lifecycle, drain config.Drain, p parts) {
	if !p.Admin.off() {
		l.appendListener(p.Admin.listener)
	}
	l.appendRunner("keys", p.Tokens.Run)
	l.appendRunner("stream writer", p.Streams.Run) // the engine ends its streams last
	l.appendLog(p.Log)                             // until the engine no longer follows it
	l.appendRunner("engine", p.Engine.Run)
	l.appendRunner("clock", p.Feed.Run)
	l.appendListener(p.Public)
	l.appendDrain(drain, p.Engine)
}
