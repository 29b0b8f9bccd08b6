// Command job runs long jobs and shows the progress of each.
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

	"carillon/examples/demo"
)

//go:embed index.html app.js
var page embed.FS

var step = flag.Duration("step", 100*time.Millisecond, "how long each of a job's hundred steps takes")

func main() {
	names := make(chan string)
	demo.App{
		Page: page,
		// The response has the name of the job at once; the job runs in its own goroutine.
		Routes: func(_ *demo.Client, mux *http.ServeMux) {
			mux.HandleFunc("POST /jobs", func(w http.ResponseWriter, r *http.Request) {
				name := strings.ToLower(rand.Text())
				select {
				case names <- name:
					_, _ = w.Write([]byte(name))
				case <-r.Context().Done():
				}
			})
		},
		Work: func(ctx context.Context, c *demo.Client) error { return run(ctx, c, names) },
	}.Main()
}

// run runs the jobs concurrently.
func run(ctx context.Context, c *demo.Client, names <-chan string) error {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case name := <-names:
			running.Go(func() {
				if err := work(ctx, c, name); err != nil && ctx.Err() == nil {
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

// work simulates a job. Each job has a topic of its own, so a page receives the progress of its own job only.
func work(ctx context.Context, c *demo.Client, name string) error {
	every := time.NewTicker(*step)
	defer every.Stop()
	p := progress{Total: 100}
	for ; p.Done < p.Total; p.Done++ {
		if err := c.Publish(ctx, "jobs/"+name, "progress", p); err != nil {
			return err
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return c.Publish(ctx, "jobs/"+name, "done", p)
}
