package adminapi

import (
	"context"
	"net/http"
	"net/http/pprof"
	"time"

	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
)

// Engine is what the interface uses of the fan-out engine.
type Engine interface {
	Inspect(ctx context.Context, n int) (pubsub.Snapshot, error)
	End(ctx context.Context, why pubsub.EndReason, which func(pubsub.Subscription) bool) (int, error)
	Draining() bool
	LogAvailable() bool
}

// About describes the server.
type About struct {
	Version string
	Commit  string
	Node    string // name of this server among several
	Log     string // kind of the log of events, as in history.backend
	Started time.Time
}

// Authority keeps subjects out.
type Authority interface {
	Expel(ctx context.Context, subject string, period time.Duration) (int, error)
}

// Deps are the dependencies of the interface.
type Deps struct {
	Engine     Engine
	Authority  Authority
	Metrics    http.Handler
	Transports func() map[string]int64 // open streams by transport
	About      About
	Logger     *zap.Logger
}

// API is the admin interface.
type API struct {
	deps    Deps
	guard   guard
	handler http.Handler
}

// New returns the interface. It starts no goroutine.
func New(cfg Config, deps Deps) (*API, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a := &API{deps: deps, guard: newGuard(cfg.Token)}
	a.handler = a.routes()
	return a, nil
}

// ServeHTTP serves a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Only the writers of tests have no deadlines.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(responseTime(r)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if err := a.guard.check(r); err != nil {
		a.deps.Logger.Info("request refused", zap.String("peer", r.RemoteAddr), zap.Error(err))
		a.fail(w, err)
		return
	}
	a.handler.ServeHTTP(w, r)
}

func (a *API) routes() http.Handler {
	mux := http.NewServeMux()
	// Patterns without a method: the mux's own response to other methods is not problem+json.
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
	route(http.MethodPost, "/streams/close", a.closeSubject)
	route(http.MethodPost, "/topics/close", a.closeTopic)
	// Importing the package registers its handlers on the default mux only, which is not served.
	route(http.MethodGet, "/debug/pprof/", pprof.Index)
	route(http.MethodGet, "/debug/pprof/cmdline", pprof.Cmdline)
	route(http.MethodGet, "/debug/pprof/profile", pprof.Profile)
	route(http.MethodGet, "/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol) // by GET or POST
	return mux
}
