package adminapi

import (
	"context"
	"net/http"
	"net/http/pprof"
	"time"

	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
)

// Engine is what is asked and told of the fan-out engine.
type Engine interface {
	Inspect(ctx context.Context, n int) (pubsub.Snapshot, error)
	End(ctx context.Context, why pubsub.EndReason, which func(pubsub.Subscription) bool) (int, error)
	Draining() bool
}

// About says which server this is.
type About struct {
	Version string
	Commit  string
	Node    string // what this one is called among several
	Started time.Time
}

// Deps are the parts the interface stands on.
type Deps struct {
	Engine     Engine
	Metrics    http.Handler
	Transports func() map[string]int64 // open streams by how they are written
	About      About
	Log        *zap.Logger
}

// API is the admin interface.
type API struct {
	deps    Deps
	guard   guard
	handler http.Handler
}

// New builds the interface; it starts nothing.
func New(cfg Config, deps Deps) (*API, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a := &API{deps: deps, guard: newGuard(cfg.Token)}
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { a.fail(w, errOrigin) }))
	a.handler = foreign.Handler(a.routes())
	return a, nil
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if err := a.guard.check(r); err != nil {
		a.deps.Log.Info("request refused", zap.String("peer", r.RemoteAddr), zap.Error(err))
		a.fail(w, err)
		return
	}
	a.handler.ServeHTTP(w, r)
}

func (a *API) routes() http.Handler {
	mux := http.NewServeMux()
	// Not by patterns with a method: what the mux itself answers to other methods is no problem+json.
	route := func(method, path string, handler http.HandlerFunc) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != method && (method != http.MethodGet || r.Method != http.MethodHead) {
				w.Header().Set("Allow", method)
				a.fail(w, errMethod)
				return
			}
			handler(w, r)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { a.fail(w, errNotFound) })
	route(http.MethodGet, "/metrics", a.deps.Metrics.ServeHTTP)
	route(http.MethodGet, "/status", a.status)
	route(http.MethodPost, "/streams/{id}/close", a.closeStream)
	route(http.MethodPost, "/topics/close", a.closeTopic)
	// By hand: importing the package also puts them on the default mux, which nothing here serves.
	route(http.MethodGet, "/debug/pprof/", pprof.Index)
	route(http.MethodGet, "/debug/pprof/cmdline", pprof.Cmdline)
	route(http.MethodGet, "/debug/pprof/profile", pprof.Profile)
	route(http.MethodGet, "/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol) // by GET or POST
	return mux
}
