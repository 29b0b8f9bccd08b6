package httpapi

import (
	"crypto/rand"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gin-contrib/cors"
	"github.com/gin-gonic/gin"
	"go.uber.org/zap"
)

// Keys of what middleware leaves in a request's context.
const (
	keyRequestID = "request_id"
	keyStream    = "stream"
)

// maxRequestID bounds the request id that is taken from a client.
const maxRequestID = 64

// identify gives each request an id: the client's, where it is harmless, or a new one.
func (a *API) identify(c *gin.Context) {
	id := c.GetHeader("X-Request-Id")
	if !plainID(id) {
		id = newID()
	}
	c.Set(keyRequestID, id)
	c.Header("X-Request-Id", id)
	c.Next()
}

func requestID(c *gin.Context) string { return c.GetString(keyRequestID) }

// newID is an id nobody else has: 130 bits, in letters and digits.
func newID() string { return strings.ToLower(rand.Text()) }

func plainID(s string) bool {
	if s == "" || len(s) > maxRequestID {
		return false
	}
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// hurry gives a request's body a time to come in, whatever the answer will be: what a handler leaves of a body is read by
// net/http, which would wait for it for ever.
func (a *API) hurry(c *gin.Context) {
	if c.Request.ContentLength != 0 {
		// A writer without deadlines is one of a test; a real connection has them, and a new one for its next request.
		_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(a.cfg.ReadTimeout))
	}
	c.Next()
}

// record writes one line for each request, without its query, which may hold secrets. A stream has lines of its own.
func (a *API) record(c *gin.Context) {
	start := time.Now()
	c.Next()
	if c.GetBool(keyStream) {
		return
	}
	level := zap.InfoLevel
	if route := c.FullPath(); route == "/healthz" || route == "/readyz" || c.Writer.Status() == http.StatusNotModified {
		level = zap.DebugLevel
	}
	a.log.Log(level, "request",
		zap.String("request_id", requestID(c)),
		zap.String("method", short(c.Request.Method)),
		zap.String("route", c.FullPath()),
		zap.Int("status", c.Writer.Status()),
		zap.Duration("duration", time.Since(start)),
		zap.Int("bytes", max(c.Writer.Size(), 0)),
		zap.String("peer", c.ClientIP()),
	)
}

// recover turns a panic into a 500 without showing anybody what the request held.
func (a *API) recover(c *gin.Context) {
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		if err, ok := reason.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(reason) // it asks net/http to cut the connection
		}
		a.log.Error("panic", zap.String("request_id", requestID(c)), zap.String("route", c.FullPath()),
			zap.Any("reason", reason), zap.ByteString("stack", debug.Stack()))
		if !c.Writer.Written() {
			writeProblem(c, problemOf(errors.New("panic")))
			return
		}
		panic(http.ErrAbortHandler) // half an answer must not look whole
	}()
	c.Next()
}

// crossOrigin lets pages of the configured origins use the interface and turns those of others away.
func (a *API) crossOrigin(c *gin.Context) {
	rules := a.rules.Load()
	switch {
	case rules.allow == nil || c.GetHeader("Origin") == "":
	case !rules.cors.any() && !a.ownOrigin(c.Request):
		a.fail(c, errOrigin)
	default:
		rules.allow(c)
	}
}

// allowing answers a middleware that tells browsers which origins are let in; nil where none are configured, and
// browsers keep to this server's own.
func allowing(c CORS) gin.HandlerFunc {
	if len(c.Origins) == 0 {
		return nil
	}
	config := cors.Config{
		AllowAllOrigins:  c.any(),
		AllowCredentials: c.Credentials,
		AllowMethods:     []string{http.MethodGet, http.MethodPost},
		AllowHeaders:     []string{"Authorization", "Cache-Control", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-Request-Id"},
		ExposeHeaders:    []string{"Retry-After", "X-Request-Id"},
		MaxAge:           time.Hour,
	}
	if !config.AllowAllOrigins {
		// As a list the origins would have to be of http or https, but apps have schemes of their own.
		config.AllowOriginFunc = func(origin string) bool { return slices.Contains(c.Origins, origin) }
	}
	return cors.New(config)
}

// short bounds what a log says of a client's words.
func short(s string) string { return s[:min(len(s), 64)] }
