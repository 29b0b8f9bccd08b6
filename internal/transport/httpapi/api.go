package httpapi

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/transport/delivery"
)

// Authenticator tells what a token, or having none, entitles to. Its errors match those of package access.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (access.Rights, error)
	Anonymous() access.Rights
}

// Deps are the parts the interface stands on.
type Deps struct {
	Publisher *pubsub.Engine
	Streams   *delivery.Transport
	Auth      Authenticator
	Page      http.Handler  // serves "/" and "/assets/"
	Default   event.Pattern // what a subscription without a topic gets
	Observer  Observer      // nil is nobody
	Log       *zap.Logger
}

// API is the public HTTP interface.
type API struct {
	deps    Deps
	cfg     Config
	rules   atomic.Pointer[rules]
	log     *zap.Logger
	journal *journal
	streams *streamLimiter
	rates   *rateLimiter
	engine  *gin.Engine
}

// rules are what may change while the server runs. They are replaced as a whole.
type rules struct {
	limits Limits
	cors   CORS
	allow  gin.HandlerFunc // nil where no other origin is let in
}

// New builds the interface; it starts nothing. [API.Run] must be running for what streams say to be logged.
func New(cfg Config, limits Limits, deps Deps) (*API, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	rates, err := newRateLimiter()
	if err != nil {
		return nil, err
	}
	a := &API{deps: deps, cfg: cfg, log: deps.Log, journal: newJournal(deps.Log, limits.MaxStreams), streams: newStreamLimiter(), rates: rates}
	if err := a.Reload(cfg.CORS, limits); err != nil {
		return nil, err
	}
	return a, a.route()
}

// Run writes the log of streams until the context ends. It must outlive them.
func (a *API) Run(ctx context.Context) error {
	a.journal.run(ctx)
	return nil
}

// Reload changes the rules for requests from now on; streams that run already stay. On an error everything stays.
func (a *API) Reload(cors CORS, limits Limits) error {
	if err := errors.Join(cors.validate(), limits.Validate()); err != nil {
		return err
	}
	a.rules.Store(&rules{limits: limits, cors: cors, allow: allowing(cors)})
	a.streams.limit(limits.MaxStreams, limits.MaxStreamsPerIP)
	a.rates.limit(limits.PublishRate, limits.PublishBurst)
	return nil
}

func (a *API) limits() Limits { return a.rules.Load().limits }

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.engine.ServeHTTP(w, r) }

func (a *API) route() error {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	// Nobody's word about a client's address is taken but a configured proxy's.
	if err := e.SetTrustedProxies(a.cfg.TrustedProxies); err != nil {
		return err
	}
	e.Use(a.identify, a.record, a.recover, a.hurry, a.crossOrigin)
	e.NoRoute(func(c *gin.Context) { a.fail(c, errNotFound) })
	e.NoMethod(func(c *gin.Context) { a.fail(c, errMethod) })

	e.GET("/events", a.subscribe)
	e.POST("/events", a.publish)
	page := gin.WrapH(a.deps.Page)
	for path, handler := range map[string]gin.HandlerFunc{
		"/healthz": a.healthy, "/readyz": a.ready, "/openapi.yaml": a.describe, "/": page, "/assets/*file": page,
	} {
		e.GET(path, handler)
		e.HEAD(path, handler) // which uptime checkers like; net/http leaves the body out
	}
	a.engine = e
	return nil
}

// healthy says that the process serves requests.
func (a *API) healthy(c *gin.Context) { c.String(http.StatusOK, "ok\n") }

// ready says whether clients should be sent here: not while the server is stopping.
func (a *API) ready(c *gin.Context) {
	if a.deps.Publisher.Draining() {
		a.fail(c, pubsub.ErrDraining)
		return
	}
	c.String(http.StatusOK, "ready\n")
}
