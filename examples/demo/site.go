package demo

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

//go:embed style.css stream.js
var shared embed.FS

// App is an example: a page that shows events, and the work that publishes them.
type App struct {
	Page   fs.FS                                      // index.html and its files
	Routes func(c *Client, mux *http.ServeMux)        // adds further routes for the page; may be nil
	Work   func(ctx context.Context, c *Client) error // runs beside the server until it fails or ctx ends
}

// Main runs the example. It serves the page and proxies its streams to Carillon, so that the page needs no other origin
// and the token stays here. It returns when the work ends, or at Ctrl-C.
func (a App) Main() {
	addr := flag.String("addr", "127.0.0.1:8000", "`HOST:PORT` the page is served on")
	server := flag.String("carillon", "http://localhost:8080", "`URL` of Carillon; CARILLON_TOKEN is a token that may publish there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := a.run(ctx, *addr, *server); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (a App) run(ctx context.Context, addr, server string) error {
	c, err := NewClient(server, os.Getenv("CARILLON_TOKEN"))
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("serving the page: %w", err)
	}
	_, _ = fmt.Fprintf(os.Stdout, "open http://%s\n", listener.Addr())

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	mux := c.routes(a.Page)
	if a.Routes != nil {
		a.Routes(c, mux)
	}
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { cancel(a.Work(ctx, c)) })
	running.Go(func() { cancel(web.Serve(listener)) })
	<-ctx.Done()
	_ = web.Close() // Shutdown would wait for open streams
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return cause
	}
	return nil
}

// routes serves the page and its streams. Only GET is proxied: publishing is for backends.
func (c *Client) routes(page fs.FS) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /", noInline(http.FileServerFS(page)))
	mux.Handle("GET /style.css", http.FileServerFS(shared))
	mux.Handle("GET /stream.js", http.FileServerFS(shared))
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	forward := func(r *httputil.ProxyRequest) {
		r.SetURL(c.server)
		r.SetXForwarded()
	}
	mux.Handle("GET /client.mjs", &httputil.ReverseProxy{Rewrite: forward}) // the client that every Carillon serves
	mux.Handle("GET /events", &httputil.ReverseProxy{
		Rewrite:       forward,
		FlushInterval: -1, // flush each event at once
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { comeBack(w) },
	})
	return mux
}

// comeBack responds while Carillon is away. An EventSource never reconnects after a 502, so it is sent a stream that ends.
func comeBack(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "retry: 1000\nevent: carillon.goaway\ndata: {\"reason\":\"unavailable\"}\n\n")
}

// noInline forbids inline scripts and styles, so that displayed text cannot become a script.
func noInline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		next.ServeHTTP(w, r)
	})
}
