// Command job runs long jobs and shows the progress of each.
package main

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"carillon/examples/demo"
)

//go:embed index.html app.js
var page embed.FS

var step = flag.Duration("step", 100*time.Millisecond, "how long each of a job's hundred steps takes")

const steps = 100

// job is a running job, or one that is done. Its progress outlives what Carillon keeps, for a page that missed events.
type job struct {
	name string
	done atomic.Int64 // of the steps
}

type progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

func (j *job) progress() progress { return progress{Done: j.done.Load(), Total: steps} }

func main() {
	var jobs sync.Map // by name
	started := make(chan *job)
	demo.App{
		Page: page,
		Routes: func(_ *demo.Client, mux *http.ServeMux) {
			// The response has the name of the job at once; the job runs in its own goroutine.
			mux.HandleFunc("POST /jobs", func(w http.ResponseWriter, r *http.Request) {
				j := &job{name: strings.ToLower(rand.Text())}
				jobs.Store(j.name, j)
				select {
				case started <- j:
					_, _ = w.Write([]byte(j.name))
				case <-r.Context().Done():
				}
			})
			mux.HandleFunc("GET /jobs/{name}", func(w http.ResponseWriter, r *http.Request) {
				j, known := jobs.Load(r.PathValue("name"))
				if !known {
					http.NotFound(w, r)
					return
				}
				_ = json.NewEncoder(w).Encode(j.(*job).progress())
			})
		},
		Work: func(ctx context.Context, c *demo.Client) error { return run(ctx, c, started) },
	}.Main()
}

// run runs the jobs concurrently.
func run(ctx context.Context, c *demo.Client, started <-chan *job) error {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case j := <-started:
			running.Go(func() { j.work(ctx) })
			running.Go(func() {
				if err := j.report(ctx, c); err != nil && ctx.Err() == nil {
					_, _ = fmt.Fprintln(os.Stderr, err)
				}
			})
		case <-ctx.Done():
			return nil
		}
	}
}

// work simulates a job. It does not wait for what is published about it.
func (j *job) work(ctx context.Context) {
	every := time.NewTicker(*step)
	defer every.Stop()
	for j.done.Load() < steps {
		select {
		case <-every.C:
			j.done.Add(1)
		case <-ctx.Done():
			return
		}
	}
}

// report publishes the progress until the job is done. Each job has a topic of its own, so a page receives the progress
// of its own job only. While the server restarts, Publish waits, and the newest progress is next.
func (j *job) report(ctx context.Context, c *demo.Client) error {
	every := time.NewTicker(*step)
	defer every.Stop()
	for {
		p, kind := j.progress(), "progress"
		if p.Done == p.Total {
			kind = "done"
		}
		if err := c.Publish(ctx, "jobs/"+j.name, kind, p); err != nil || kind == "done" {
			return err
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return nil
		}
	}
}
