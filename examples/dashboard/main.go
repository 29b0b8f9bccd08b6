// Command dashboard shows the load of the machine, and how many pages show it, on every page.
package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"time"

	"carillon/examples/demo"
)

//go:embed index.html app.js
var page embed.FS

func main() { demo.App{Page: page, Work: publish}.Main() }

// publish publishes the load every second. How many pages show it is known to Carillon, which tells them.
func publish(ctx context.Context, c *demo.Client) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		load, err := loadAverage()
		if err != nil {
			return err
		}
		if err := c.Publish(ctx, "dashboard/load", "load", load); err != nil {
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
