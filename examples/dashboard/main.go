// Command dashboard shows the load of a machine, and how many are watching, to all who watch.
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

	"carillon/examples/bell"
)

//go:embed index.html app.js
var page embed.FS

var admin = flag.String("admin", "http://localhost:9090", "`URL` of Carillon's admin listener; CARILLON_ADMIN_TOKEN is its token, if it has one")

func main() { bell.Example{Page: page, Work: watch}.Main() }

// watched is the pattern that pages of the dashboard subscribe to.
const watched = "dashboard/*"

// watch publishes both figures every second, with one request.
func watch(ctx context.Context, b *bell.Bell) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		load, err := loadAverage()
		if err != nil {
			return err
		}
		watching, err := audience(ctx)
		if err != nil {
			return err
		}
		if err := b.RingAll(ctx, []bell.Event{
			{Topic: "dashboard/load", Type: "load", Data: load},
			{Topic: "dashboard/audience", Type: "audience", Data: watching},
		}); err != nil {
			return err
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// loadAverage is how many processes ran or waited to run, over the last minute.
func loadAverage() (load float64, err error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, fmt.Errorf("the load is read as Linux tells it: %w", err)
	}
	_, err = fmt.Sscan(string(text), &load)
	return load, err
}

// audience is how many streams listen to the dashboard. The server counts them by what they asked for.
func audience(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, *admin+"/status", nil)
	if err != nil {
		return 0, fmt.Errorf("asking who watches: %w", err)
	}
	if token := os.Getenv("CARILLON_ADMIN_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("asking who watches: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("asking who watches: %w", errors.New(response.Status))
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
