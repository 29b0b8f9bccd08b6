// Command job runs long jobs and shows how far each of them is.
package main

import (
	"context"
	"crypto/rand"
	"embed"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"carillon/examples/bell"
)

//go:embed index.html app.js
var page embed.FS

var step = flag.Duration("step", 100*time.Millisecond, "how long each of a job's hundred steps takes")

func main() {
	asked := make(chan string)
	bell.Example{
		Page: page,
		// A job gets its name at once, and its own time.
		Routes: func(_ *bell.Bell, site *http.ServeMux) {
			site.HandleFunc("POST /jobs", func(w http.ResponseWriter, r *http.Request) {
				name := strings.ToLower(rand.Text())
				select {
				case asked <- name:
					_, _ = w.Write([]byte(name))
				case <-r.Context().Done():
				}
			})
		},
		Work: func(ctx context.Context, b *bell.Bell) error { return run(ctx, b, asked) },
	}.Main()
}

// run does all jobs that are asked for, beside each other.
func run(ctx context.Context, b *bell.Bell, asked <-chan string) error {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case name := <-asked:
			running.Go(func() {
				if err := work(ctx, b, name); err != nil && ctx.Err() == nil {
					_, _ = fmt.Fprintln(os.Stderr, err)
				}
			})
		case <-ctx.Done():
			return nil
		}
	}
}

type progress struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// work does nothing, slowly. The topic is the job's own, so who watches it hears of no other.
func work(ctx context.Context, b *bell.Bell, name string) error {
	every := time.NewTicker(*step)
	defer every.Stop()
	p := progress{Total: 100}
	for ; p.Done < p.Total; p.Done++ {
		if err := b.Ring(ctx, "jobs/"+name, "progress", p); err != nil {
			return err
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return b.Ring(ctx, "jobs/"+name, "done", p)
}
