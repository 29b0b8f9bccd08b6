package main

import (
	"net/http"
	"os"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/timefeed"
	"carillon/internal/infra/memlog"
	"carillon/internal/infra/metrics"
	"carillon/internal/transport/adminapi"
	"carillon/internal/transport/sse"
)

// metricsModule counts.
func metricsModule() fx.Option {
	return fx.Module("metrics",
		fx.Provide(func() *metrics.Metrics {
			b := thisBuild()
			return metrics.New(metrics.Build{Version: b.version, Commit: b.commit, Go: b.goVersion})
		}),
		fx.Invoke(func(count *metrics.Metrics, pub *pubsub.Engine, log *memlog.Log, feed *timefeed.Feed, streams *sse.Server) error {
			return count.Watch(metrics.Sources{Engine: pub, Log: log, Clock: feed, Streams: func() (map[string]int64, int64) {
				stats := streams.Stats()
				return stats.Open, stats.Bytes
			}})
		}),
	)
}

// adminModule speaks to those who look after the server.
func adminModule(s Settings) fx.Option {
	return fx.Module("admin",
		fx.Provide(func(pub *pubsub.Engine, streams *sse.Server, count *metrics.Metrics, log *zap.Logger) (adminServer, error) {
			if !s.Admin.config().Enabled() {
				return adminServer{}, nil
			}
			log = log.Named("admin")
			b := thisBuild()
			api, err := adminapi.New(s.Admin.config(), adminapi.Deps{
				Engine:     pub,
				Metrics:    count.Handler(),
				Transports: func() map[string]int64 { return streams.Stats().Open },
				About:      adminapi.About{Version: b.version, Commit: b.commit, Node: node(), Started: time.Now()},
				Logger:     log,
			})
			return newAdminServer(s, api, log), err
		}),
	)
}

// adminServer is the admin listener and what answers on it; nothing where it is turned off.
type adminServer struct{ *listeningServer }

// off reports whether there is none.
func (s adminServer) off() bool { return s.listeningServer == nil }

// addr is where the admin listener stands, once it listens.
func (s adminServer) addr() string {
	if s.off() {
		return ""
	}
	return s.listener.Addr().String()
}

// adminGrace is how long requests to the admin listener may hold up the stop: enough for a scrape, and a profile that is
// being taken is cut off.
const adminGrace = time.Second

func newAdminServer(s Settings, handler http.Handler, log *zap.Logger) adminServer {
	srv := listening("admin server", "admin.addr", log, &http.Server{
		Addr:              s.Admin.Addr,
		Handler:           handler,
		ReadHeaderTimeout: s.HTTP.ReadHeaderTimeout,
		IdleTimeout:       s.HTTP.IdleTimeout,
		MaxHeaderBytes:    s.HTTP.MaxHeaderBytes,
		// No WriteTimeout: a profile takes as long as it is asked to.
	})
	srv.grace = adminGrace
	return adminServer{srv}
}

// node is what this server is called among several: its host's name, which in a cluster is its pod's.
func node() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
