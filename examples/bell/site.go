package bell

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
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

//go:embed style.css
var style embed.FS

// Example is a site that lives on Carillon's events.
type Example struct {
	Page   fs.FS                                    // index.html and what belongs to it
	Routes func(b *Bell, site *http.ServeMux)       // what the page can ask for besides, if anything
	Work   func(ctx context.Context, b *Bell) error // runs beside the site, until it fails or ctx ends
}

// Main is the example's whole life: it serves the page and hands its streams on to Carillon, so that the page needs no
// other origin and the token stays here. It ends with its work, or at Ctrl-C.
func (e Example) Main() {
	addr := flag.String("addr", "127.0.0.1:8000", "`HOST:PORT` the page is served on")
	server := flag.String("carillon", "http://localhost:8080", "`URL` of Carillon; CARILLON_TOKEN is a token that may publish there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := e.run(ctx, *addr, *server); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (e Example) run(ctx context.Context, addr, server string) error {
	b, err := New(server, os.Getenv("CARILLON_TOKEN"))
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
	site := b.site(e.Page)
	if e.Routes != nil {
		e.Routes(b, site)
	}
	web := &http.Server{Handler: site, ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { cancel(e.Work(ctx, b)) })
	running.Go(func() { cancel(web.Serve(listener)) })
	<-ctx.Done()
	_ = web.Close() // its streams would keep it open for ever
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return cause
	}
	return nil
}

// site serves the page and its streams. Only GET is handed on: publishing is for backends.
func (b *Bell) site(page fs.FS) *http.ServeMux {
	site := http.NewServeMux()
	site.Handle("GET /", noInline(http.FileServerFS(page)))
	site.Handle("GET /style.css", http.FileServerFS(style))
	site.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	site.Handle("GET /events", &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(b.server)
			r.SetXForwarded()
		},
		FlushInterval: -1, // each event at once
	})
	return site
}

// noInline lets pages have scripts and styles of their own files only, so that no text that is shown can become one.
func noInline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		next.ServeHTTP(w, r)
	})
}
