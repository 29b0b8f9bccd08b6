package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"go.uber.org/zap"

	"carillon/internal/transport/httpapi"
	"carillon/internal/transport/sockopt"
)

// listeningServer is a listener and what answers on it.
type listeningServer struct {
	name     string // what failures call it
	key      string // that its address is configured by
	http     *http.Server
	tls      httpapi.TLS
	grace    time.Duration // how long requests may hold up the stop; 0 is as long as the stop may take
	listener net.Listener  // once it listens
}

func listening(name, key string, log *zap.Logger, server *http.Server) *listeningServer {
	server.ErrorLog = zap.NewStdLog(zap.NewNop())
	server.ErrorLog.SetOutput(serverLog{log})
	return &listeningServer{name: name, key: key, http: server}
}

// serve accepts connections until the server is shut down.
func (s *listeningServer) serve() error {
	if s.tls.Enabled() {
		return s.http.ServeTLS(s.listener, s.tls.CertFile, s.tls.KeyFile)
	}
	return s.http.Serve(s.listener)
}

// protocols is what the listener speaks: HTTP/2 under TLS, where browsers want it, and without it only when told to.
func protocols(cfg httpapi.Config) *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	p.SetHTTP2(cfg.TLS.Enabled())
	p.SetUnencryptedHTTP2(cfg.H2C)
	return p
}

func newServer(cfg httpapi.Config, options sockopt.Options, handler http.Handler, log *zap.Logger) *listeningServer {
	s := listening("http server", "http.addr", log, &http.Server{
		Addr:              cfg.Addr,
		Handler:           handler,
		ReadHeaderTimeout: cfg.ReadHeaderTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    cfg.MaxHeaderBytes,
		Protocols:         protocols(cfg),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12},
		// No WriteTimeout: it would cut streams. Each write has a deadline of its own.
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			if err := sockopt.Tune(conn, options); err != nil {
				log.Debug("connection not tuned", zap.Error(err)) // the client is gone already
			}
			return ctx
		},
	})
	s.tls = cfg.TLS
	return s
}

func (s *listeningServer) listen(ctx context.Context) (err error) {
	// No keepalive probes: heartbeats and TCP_USER_TIMEOUT find dead streams, http.idle_timeout ends all else, and four
	// system calls for each connection are saved.
	config := net.ListenConfig{KeepAlive: -1}
	// A multipath connection knows no TCP_USER_TIMEOUT, and then nobody would find its dead peers.
	config.SetMultipathTCP(false)
	s.listener, err = config.Listen(ctx, "tcp", s.http.Addr)
	if err != nil {
		if reason, ok := errors.AsType[syscall.Errno](err); ok {
			err = reason // the rest is said here
		}
		return fmt.Errorf("%s: cannot listen on %q: %w", s.key, s.http.Addr, err)
	}
	return nil
}

// maxServerText bounds what a log takes of net/http's words, which may quote a client.
const maxServerText = 256

// serverLog carries what net/http has to say into the log: as a field, because it may quote a client.
type serverLog struct{ log *zap.Logger }

func (l serverLog) Write(p []byte) (int, error) {
	level := zap.WarnLevel
	// What any client can cause at will is no warning.
	if bytes.HasPrefix(p, []byte("http: TLS handshake error")) {
		level = zap.DebugLevel
	}
	l.log.Log(level, "http server", zap.ByteString("text", p[:min(len(p), maxServerText)]))
	return len(p), nil
}
