package server

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/transport/httpapi"
	"carillon/internal/transport/keepalive"
	"carillon/internal/transport/sockopt"
	"carillon/internal/transport/tcpconn"
)

// listener is a listening socket and the HTTP server on it.
type listener struct {
	name      string // for log records and errors
	key       string // the configuration key of its address
	http      *http.Server
	keepalive *keepalive.Server // serves the ordinary requests of http; may be nil
	tls       bool              // it has certificates
	grace     time.Duration     // how long requests may delay the stop; 0: as long as the stop may take
	listener  net.Listener      // set by listen
}

func newListener(name, key string, logger *zap.Logger, server *http.Server) *listener {
	server.ErrorLog = zap.NewStdLog(zap.NewNop())
	server.ErrorLog.SetOutput(serverErrors{logger})
	return &listener{name: name, key: key, http: server}
}

// serve accepts connections until the HTTP server is shut down.
func (l *listener) serve() error {
	if l.tls {
		return l.http.ServeTLS(l.listener, "", "")
	}
	if l.keepalive == nil {
		return l.http.Serve(l.listener)
	}
	var returned sync.WaitGroup
	returned.Go(func() { _ = l.http.Serve(l.keepalive.Returned()) }) // it ends when that is closed
	defer returned.Wait()
	defer l.keepalive.Returned().Close()
	return l.http.Serve(l.listener)
}

// shutdown stops accepting connections and waits until the requests are answered, or ctx ends and cuts them off.
func (l *listener) shutdown(ctx context.Context) error {
	var keptAlive error
	var stopping sync.WaitGroup
	if l.keepalive != nil {
		stopping.Go(func() { keptAlive = l.keepalive.Shutdown(ctx) })
	}
	err := l.http.Shutdown(ctx)
	if err != nil {
		_ = l.http.Close() // its error adds nothing
	}
	stopping.Wait()
	return cmp.Or(err, keptAlive)
}

// protocols returns the versions of HTTP that the public listener serves: HTTP/2 with TLS, where browsers use it, and
// without TLS only if it is configured.
func protocols(cfg httpapi.Config) *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	p.SetHTTP2(cfg.TLS.Enabled())
	p.SetUnencryptedHTTP2(cfg.H2C)
	return p
}

func newPublicListener(s config.Settings, pair serverCertificate, handler http.Handler, logger *zap.Logger) *listener {
	cfg := s.HTTP
	l := newListener("http server", "http.addr", logger, &http.Server{
		Addr:              cfg.Addr,
		Handler:           handler,
		ReadHeaderTimeout: cfg.ReadHeaderTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    cfg.MaxHeaderBytes,
		Protocols:         protocols(cfg),
		TLSConfig:         pair.tlsConfig(),
		// A handler's write deadline ends its HTTP/2 stream, but not the write of a connection whose client takes nothing,
		// which would hold up the stop.
		HTTP2: &http.HTTP2Config{WriteByteTimeout: s.Stream.WriteTimeout},
		// No WriteTimeout: it would cut streams. Each write has its own deadline.
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			if err := sockopt.Tune(conn, s.Stream.Options); err != nil {
				logger.Debug("connection not tuned", zap.Error(err)) // the client has left already
			}
			return keepalive.ConnContext(ctx, conn)
		},
	})
	l.tls = pair.Pair != nil
	if !l.tls {
		l.keepalive = keepalive.New(handler, keepalive.Config{IdleTimeout: cfg.IdleTimeout, Logger: logger})
		l.http.Handler = l.keepalive
	}
	return l
}

func (l *listener) listen(ctx context.Context) (err error) {
	// No keepalive probes: heartbeats and TCP_USER_TIMEOUT find dead streams, http.idle_timeout ends other connections,
	// and four system calls for each connection are saved.
	config := net.ListenConfig{KeepAlive: -1}
	// A multipath TCP connection does not support TCP_USER_TIMEOUT, so its dead peers would not be found.
	config.SetMultipathTCP(false)
	l.listener, err = config.Listen(ctx, "tcp", l.http.Addr)
	if err != nil {
		if reason, ok := errors.AsType[syscall.Errno](err); ok {
			err = reason // this error adds the address itself
		}
		return fmt.Errorf("%s: cannot listen on %q: %w%s", l.key, l.http.Addr, err, l.advice(err))
	}
	l.listener = tcpconn.Listen(l.listener)
	return nil
}

// advice says how to choose another address if that of the listener is in use.
func (l *listener) advice(err error) string {
	const windows = syscall.Errno(10048) // WSAEADDRINUSE
	if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, windows) {
		return ""
	}
	host, port, err := net.SplitHostPort(l.http.Addr)
	if err != nil {
		return ""
	}
	number, err := strconv.Atoi(port)
	if err != nil || number <= 0 || number >= 65535 {
		return ""
	}
	return fmt.Sprintf("; another one is chosen with %s=%s", config.EnvName(l.key), net.JoinHostPort(host, strconv.Itoa(number+1)))
}

// url returns the URL at which this machine reaches the listener, once it listens.
func (l *listener) url() string {
	scheme := "http"
	if l.tls {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(l.listener.Addr().String()) // it listens on this address
	if ip, err := netip.ParseAddr(host); err == nil && (ip.IsUnspecified() || host == "127.0.0.1" || host == "::1") {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// maxServerText is how many bytes of a message from net/http are logged; it may quote a client.
const maxServerText = 256

// serverErrors logs the messages of net/http, as a field because they may quote a client.
type serverErrors struct{ logger *zap.Logger }

func (e serverErrors) Write(p []byte) (int, error) {
	level := zap.WarnLevel
	// Any client can cause these at will, so they are no warnings.
	if bytes.HasPrefix(p, []byte("http: TLS handshake error")) {
		level = zap.DebugLevel
	}
	e.logger.Log(level, "http server", zap.ByteString("text", p[:min(len(p), maxServerText)]))
	return len(p), nil
}
