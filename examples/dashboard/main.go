// Command dashboard shows the load of the machine, and how many pages show it, on every page.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"carillon/examples/demo"
)

//go:embed index.html app.js
var page embed.FS

var admin = flag.String("admin", "http://localhost:8079", "`URL` of Carillon's admin listener; CARILLON_ADMIN_TOKEN is its token, if it has one")

func main() { demo.App{Page: page, Work: publish}.Main() }

// watched is the pattern that pages of the dashboard subscribe to.
const watched = "dashboard/*"

// publish publishes both figures every second.
func publish(ctx context.Context, c *demo.Client) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		load, err := loadAverage()
		if err != nil {
			return err
		}
		events := []demo.Event{{Topic: "dashboard/load", Type: "load", Data: load}}
		streams, err := countStreams(ctx)
		if err == nil {
			events = append(events, demo.Event{Topic: "dashboard/audience", Type: "audience", Data: streams})
		} else {
			_, _ = fmt.Fprintln(os.Stderr, err) // a server that restarts is back for the next one
		}
		if err := c.PublishBatch(ctx, events); err != nil {
			return err
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// loadAverage returns how many processes ran or waited to run, on average over the last minute.
func loadAverage() (load float64, err error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, fmt.Errorf("reading the load, which needs Linux: %w", err)
	}
	_, err = fmt.Sscan(string(text), &load)
	return load, err
}

// countStreams returns how many streams subscribe to the dashboard. The server counts them by their patterns.
func countStreams(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, *admin+"/status", nil)
	if err != nil {
		return 0, fmt.Errorf("asking for the status: %w", err)
	}
	if token := os.Getenv("CARILLON_ADMIN_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("asking for the status: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("asking for the status: %w", errors.New(response.Status))
	}
	var status struct {
		Topics []struct {
			Topic   string
			Streams int
		}
	}
	err = json.NewDecoder(response.Body).Decode(&status)
	for _, t := range status.Topics {
		if t.Topic == watched {
			return t.Streams, err
		}
	}
	return 0, err
}
