package server

import (
	"net/http"
	"os"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/app/authority"
	"carillon/internal/app/pubsub"
	"carillon/internal/infra/metrics"
	"carillon/internal/transport/adminapi"
)

// adminModule serves the admin interface.
func adminModule(s config.Settings) fx.Option {
	return fx.Module("admin",
		fx.Provide(func(engine *pubsub.Engine, rights *authority.Authority, all *transports, count *metrics.Metrics, b Build, logger *zap.Logger) (adminListener, error) {
			cfg := s.Admin.API()
			if !cfg.Enabled() {
				return adminListener{}, nil
			}
			logger = logger.Named("admin")
			api, err := adminapi.New(cfg, adminapi.Deps{
				Engine:     engine,
				Authority:  rights,
				Metrics:    count.Handler(),
				Transports: all.open,
				About:      adminapi.About{Version: b.Version, Commit: b.Commit, Node: nodeName(s.Node), Log: s.History.Backend, Started: time.Now()},
				Logger:     logger,
			})
			return newAdminListener(s, api, logger), err
		}),
	)
}

// adminListener is the listener of the admin interface. The zero value is one that is turned off.
type adminListener struct{ *listener }

// off reports whether there is no admin listener.
func (l adminListener) off() bool { return l.listener == nil }

// addr returns the address of the admin listener once it listens, or "" if it is turned off.
func (l adminListener) addr() string {
	if l.off() {
		return ""
	}
	return l.listener.listener.Addr().String()
}

// adminGrace is how long requests to the admin listener may delay the stop: enough for a scrape. A longer one, such as a
// profile, is cut off.
const adminGrace = time.Second

func newAdminListener(s config.Settings, handler http.Handler, logger *zap.Logger) adminListener {
	l := newListener("admin server", "admin.addr", logger, &http.Server{
		Addr:              s.Admin.Addr,
		Handler:           handler,
		ReadHeaderTimeout: s.HTTP.ReadHeaderTimeout,
		IdleTimeout:       s.HTTP.IdleTimeout,
		MaxHeaderBytes:    s.HTTP.MaxHeaderBytes,
		// No WriteTimeout: a profile takes as long as its request says.
	})
	l.grace = adminGrace
	return adminListener{l}
}

// nodeName returns the name of this node: the configured one, or the host name, which in a Kubernetes cluster is the pod's
// name.
func nodeName(cfg config.Node) string {
	if cfg.Name != "" {
		return cfg.Name
	}
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
