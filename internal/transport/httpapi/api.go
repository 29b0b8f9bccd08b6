package httpapi

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"carillon/internal/app/publish"
	"carillon/internal/app/subscribe"
	"carillon/internal/domain/access"
	"carillon/internal/transport/ws"
)

// Authenticator returns the rights of a token, or of a client without one. Its errors match those of package access.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (access.Rights, error)
	Anonymous() access.Rights
}

// Deps are the dependencies of the interface.
type Deps struct {
	Publisher  *publish.Publisher
	Subscriber *subscribe.Subscriber
	Draining   func() bool  // reports whether the server is stopping
	Ready      func() error // returns why the server should get no clients now, or nil
	// Representations are what clients choose from with Accept, the server's own preference first.
	Representations []Representation
	Sockets         *ws.Server
	Auth            Authenticator
	Page            http.Handler // serves "/" and "/assets/"
	Observer        Observer     // may be nil
	Tracer          trace.Tracer // nil: requests are not traced
	// Logger must not block: streams log from goroutines that serve other streams too.
	Logger *zap.Logger
}

// API is the public HTTP interface.
type API struct {
	deps   Deps
	cfg    Config
	cors   atomic.Pointer[corsRules]
	logger *zap.Logger
	router *gin.Engine
}

// routeEvents is the route of the requests to publish and to subscribe.
const routeEvents = "/events"

// corsRules are the CORS configuration in force and the middleware that applies it. They are replaced as a whole.
type corsRules struct {
	CORS

	middleware gin.HandlerFunc // nil if no other origin is allowed
}

// New returns the interface. It starts no goroutine.
func New(cfg Config, deps Deps) (*API, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a := &API{deps: deps, cfg: cfg, logger: deps.Logger}
	a.cors.Store(newCORSRules(cfg.CORS))
	return a, a.route()
}

// Reload changes CORS for later requests; open streams stay. On an error nothing changes.
func (a *API) Reload(cors CORS) error {
	if err := cors.validate(); err != nil {
		return err
	}
	a.cors.Store(newCORSRules(cors))
	return nil
}

// ServeHTTP serves a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

func (a *API) route() error {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	// Trust X-Forwarded-For only from configured proxies.
	if err := e.SetTrustedProxies(a.cfg.TrustedProxies); err != nil {
		return err
	}
	e.Use(a.identify, a.logRequest, a.recoverPanic)
	if a.deps.Tracer != nil {
		e.Use(a.traceRequest)
	}
	e.Use(a.setDeadline, a.crossOrigin)
	e.NoRoute(func(c *gin.Context) { a.fail(c, errNotFound) })
	e.NoMethod(func(c *gin.Context) { a.fail(c, errMethod) })

	e.GET(routeEvents, a.subscribe)
	e.POST(routeEvents, a.publish)
	e.GET("/presence", a.presence)
	page := gin.WrapH(a.deps.Page)
	for path, handler := range map[string]gin.HandlerFunc{
		"/healthz": a.healthy, "/readyz": a.ready, "/openapi.yaml": a.describe, "/": page, "/client.mjs": page, "/assets/*file": page,
	} {
		e.GET(path, handler)
		e.HEAD(path, handler) // for uptime checkers; net/http omits the body
	}
	a.router = e
	return nil
}

// healthy serves GET /healthz: the process serves requests.
func (a *API) healthy(c *gin.Context) { c.String(http.StatusOK, "ok\n") }

// ready serves GET /readyz, by which load balancers decide whether to send clients here. It fails while the server is
// stopping, while it still reads the history, and once the log has been unavailable for some seconds.
func (a *API) ready(c *gin.Context) {
	if err := a.deps.Ready(); err != nil {
		a.fail(c, err)
		return
	}
	c.String(http.StatusOK, "ready\n")
}
