package server

import (
	"time"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/app/authority"
	"carillon/internal/app/presence"
	"carillon/internal/app/publish"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/subscribe"
	"carillon/internal/app/timefeed"
	"carillon/internal/domain/event"
	"carillon/internal/infra/logging"
	"carillon/internal/infra/metrics"
	"carillon/internal/infra/tokens"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/httpapi"
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
		presenceModule(settings),
		accessModule(settings),
		httpModule(settings, streams),
		metricsModule(),
		telemetryModule(settings),
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
				return pubsub.New(s.Engine(), log, newEngineObserver(count, logger.Named("engine")))
			},
		),
	)
}

// presenceModule tells streams who subscribes to their topics.
func presenceModule(s config.Settings) fx.Option {
	return fx.Module("presence",
		fx.Provide(func(engine *pubsub.Engine, exchange presence.Exchange) (*presence.Presence, error) {
			return presence.New(s.Presence, engine, exchange)
		}),
	)
}

// accessModule verifies tokens and ends the streams whose rights are gone.
func accessModule(s config.Settings) fx.Option {
	return fx.Module("access",
		fx.Supply(s.Auth),
		fx.Provide(
			func(cfg tokens.Config, logger *zap.Logger) (*tokens.Verifier, error) {
				logger = logger.Named("access")
				return tokens.New(cfg, func(err error) { logger.Warn("cannot fetch signing keys", zap.Error(err)) })
			},
			func(verifier *tokens.Verifier, engine *pubsub.Engine, logger *zap.Logger) *authority.Authority {
				return authority.New(verifier, engine, rightsObserver{logger.Named("access")})
			},
		),
	)
}

// httpModule serves the public HTTP interface.
func httpModule(s config.Settings, streams capacity) fx.Option {
	limits := s.Limits
	limits.MaxStreams = streams.streams
	return fx.Module("http",
		fx.Provide(
			func(engine *pubsub.Engine) (*publish.Publisher, error) {
				return publish.New(limits.PublishLimits, engine)
			},
			func(engine *pubsub.Engine, present *presence.Presence) (*subscribe.Subscriber, error) {
				return subscribe.New(limits.SubscribeLimits, engine, present, event.PatternOf(timefeed.Topic))
			},
			func() (*delivery.Server, error) { return delivery.New(s.Stream.Config) },
			func(streams *delivery.Server) *transports { return newTransports(streams, s) },
			func() (*webui.Page, error) {
				return webui.New(webui.Config{Clock: s.Clock.Enabled, Count: s.Presence.PublicCount, Node: nodeName(s.Node), Log: s.History.Backend})
			},
			func(deps apiDeps) (*httpapi.API, error) {
				return httpapi.New(s.HTTP, httpapi.Deps{
					Publisher:       deps.Publisher,
					Subscriber:      deps.Subscriber,
					Ready:           deps.Engine.Ready,
					Draining:        deps.Engine.Draining,
					Representations: deps.Transports.representations(),
					Sockets:         deps.Transports.sockets,
					Auth:            deps.Auth,
					Page:            deps.Page,
					Observer:        deps.Metrics,
					Tracer:          deps.Traces.tracer(),
					Logger:          deps.Logger.Named("http"),
				})
			},
			func(logger *zap.Logger) (serverCertificate, error) {
				return loadCertificate(s.HTTP.TLS, logger.Named("tls"))
			},
			func(api *httpapi.API, pair serverCertificate, logger *zap.Logger) *listener {
				return newPublicListener(s, pair, api, logger.Named("http"))
			},
		),
	)
}

type apiDeps struct {
	fx.In

	Engine     *pubsub.Engine
	Publisher  *publish.Publisher
	Subscriber *subscribe.Subscriber
	Presence   *presence.Presence
	Transports *transports
	Auth       *authority.Authority
	Page       *webui.Page
	Metrics    *metrics.Metrics
	Traces     traces
	Logger     *zap.Logger
}

// metricsModule counts what the other components do.
func metricsModule() fx.Option {
	return fx.Module("metrics",
		fx.Provide(func(b Build) *metrics.Metrics { return metrics.New(metrics.Build(b)) }),
		fx.Invoke(func(count *metrics.Metrics, s metricsSources) error {
			return count.Watch(metrics.Sources{
				Engine: s.Engine, Log: s.Log, Clock: s.Clock,
				Streams:           s.Transports.stats,
				Presence:          s.Presence.Stats,
				LogRecordsDropped: s.Records.Dropped,
				Certificate:       s.Certificate.metrics(),
			})
		}),
	)
}

type metricsSources struct {
	fx.In

	Engine     *pubsub.Engine
	Presence   *presence.Presence
	Log        pubsub.Log
	Clock      *timefeed.Feed
	Transports *transports
	Records    *logging.Queue

	Certificate serverCertificate
}

// parts are the components that run from start to stop.
type parts struct {
	fx.In

	Log        logLife
	Engine     *pubsub.Engine
	Publisher  *publish.Publisher
	Subscriber *subscribe.Subscriber
	Presence   *presence.Presence
	Streams    *delivery.Server
	Transports *transports
	Feed       *timefeed.Feed
	Tokens     *tokens.Verifier
	Rights     *authority.Authority
	API        *httpapi.API
	Public     *listener
	Admin      adminListener

	Certificate serverCertificate
	Traces      traces
}

// appendAll determines the order in which the components start. They stop in the reverse order: streams, then the public
// listener, then its dependencies, and last the admin listener, so that the stop can be observed.
func appendAll(l lifecycle, drain config.Drain, p parts) {
	if !p.Admin.off() {
		l.appendListener(p.Admin.listener)
	}
	if p.Traces.Traces != nil {
		l.Lifecycle.Append(fx.StartStopHook(p.Traces.Start, p.Traces.Stop)) // until all requests have ended
	}
	l.appendRunner("keys", p.Tokens.Run)
	l.appendRunner("stream writer", p.Streams.Run) // the engine ends its streams last
	l.appendRunner("websocket connections", p.Transports.sockets.Run)
	l.appendLog(p.Log)                         // until the engine no longer follows it
	l.appendRunner("presence", p.Presence.Run) // until the engine's streams have ended
	l.appendRunner("engine", p.Engine.Run)
	l.appendRunner("rights", p.Rights.Run)
	l.appendRunner("clock", p.Feed.Run)
	if p.Certificate.Pair != nil {
		l.appendRunner("certificate", p.Certificate.Run)
	}
	l.appendListener(p.Public)
	l.appendDrain(drain, p.Engine, p.Transports.sockets)
}
