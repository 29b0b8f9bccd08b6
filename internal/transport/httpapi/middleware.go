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

	"carillon/internal/problem"
)

// keyStream is the key under which a request's context says that it became a stream.
const keyStream = "stream"

// headerRequestID is the header of a request's id, in the request and in its response.
const headerRequestID = "X-Request-Id"

// maxRequestID bounds the length of a request id that a client sends.
const maxRequestID = 64

// identify gives each request an id: the client's, if it is short and plain, or a new one.
func (a *API) identify(c *gin.Context) {
	id := c.GetHeader(headerRequestID)
	if !plainID(id) {
		id = newID()
	}
	c.Header(headerRequestID, id)
	c.Next()
}

func requestID(c *gin.Context) string { return c.Writer.Header().Get(headerRequestID) }

// newID returns a unique id: 130 random bits, in letters and digits.
func newID() string { return strings.ToLower(rand.Text()) }

func plainID(s string) bool {
	if s == "" || len(s) > maxRequestID {
		return false
	}
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// setDeadline bounds the time in which a request's body must arrive, whatever the response will be: the server
// (net/http or keepalive) reads what a handler leaves of a body, and would wait for it without limit.
//
// It also bounds the time in which the client must take the response, counted from the last moment at which the body may
// arrive: an HTTP/2 client that closes its flow-control window would hold the handler's goroutine without limit.
func (a *API) setDeadline(c *gin.Context) {
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(2 * a.cfg.ReadTimeout))
	if c.Request.ContentLength != 0 {
		// Only the writer of a test has no deadlines. The server sets a new one for the connection's next request.
		_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(a.cfg.ReadTimeout))
	}
	c.Next()
}

// logRequest logs each request, without its query, which may contain secrets. Streams log their own records.
func (a *API) logRequest(c *gin.Context) {
	start := time.Now()
	c.Next()
	if c.GetBool(keyStream) {
		return
	}
	level := zap.InfoLevel
	if isProbe(c) || slices.Contains([]int{http.StatusNotModified, statusClientClosed}, c.Writer.Status()) {
		level = zap.DebugLevel
	}
	record := a.logger.Check(level, "request")
	if record == nil {
		return // nobody reads the fields, which cost more than the rest of the record
	}
	record.Write(append(identity(c),
		zap.String("method", short(c.Request.Method)),
		zap.String("route", c.FullPath()),
		zap.Int("status", c.Writer.Status()),
		zap.Duration("duration", time.Since(start)),
		zap.Int("bytes", max(c.Writer.Size(), 0)),
		zap.String("peer", c.ClientIP()),
	)...)
}

// isProbe reports whether a request is one of those that load balancers repeat all the time.
func isProbe(c *gin.Context) bool { return c.FullPath() == "/healthz" || c.FullPath() == "/readyz" }

// recoverPanic turns a panic into a 500 that shows nothing of the request.
func (a *API) recoverPanic(c *gin.Context) {
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		if err, ok := reason.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(reason) // it tells net/http to close the connection
		}
		a.logger.Error("panic", append(identity(c), zap.String("route", c.FullPath()),
			zap.Any("reason", reason), zap.ByteString("stack", debug.Stack()))...)
		if !c.Writer.Written() {
			c.Abort()
			problem.Internal().Write(c.Writer)
			return
		}
		panic(http.ErrAbortHandler) // a truncated response must not look complete
	}()
	c.Next()
}

// crossOrigin lets pages of the configured origins use the interface and refuses those of others.
func (a *API) crossOrigin(c *gin.Context) {
	rules := a.cors.Load()
	switch {
	case rules.middleware == nil || c.GetHeader("Origin") == "":
	case !rules.any() && !a.ownOrigin(c.Request):
		a.fail(c, errOrigin)
	default:
		rules.middleware(c)
	}
}

// newCORSRules returns the rules with a middleware that tells browsers which origins are allowed. Without configured
// origins there is no middleware, and browsers allow this server's own origin only.
func newCORSRules(c CORS) *corsRules {
	if len(c.Origins) == 0 {
		return &corsRules{CORS: c}
	}
	config := cors.Config{
		AllowAllOrigins:  c.any(),
		AllowCredentials: c.Credentials,
		AllowMethods:     []string{http.MethodGet, http.MethodPost},
		AllowHeaders:     []string{"Authorization", "Cache-Control", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Traceparent", headerRequestID},
		ExposeHeaders:    []string{"Idempotency-Replayed", "Retry-After", headerRequestID},
		MaxAge:           time.Hour,
	}
	if !config.AllowAllOrigins {
		// The library accepts a list of http and https origins only, but apps have schemes of their own.
		config.AllowOriginFunc = func(origin string) bool { return slices.Contains(c.Origins, origin) }
	}
	return &corsRules{CORS: c, middleware: cors.New(config)}
}

// short bounds the length of a client's text in a log record.
func short(s string) string { return s[:min(len(s), 64)] }
