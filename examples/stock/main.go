// Command stock is a stock ticker: prices that walk at random, pushed to every page that is open.
package main

import (
	"context"
	"embed"
	"math"
	"math/rand/v2"
	"time"

	"carillon/examples/demo"
)

//go:embed index.html app.js
var page embed.FS

type price struct {
	Symbol string  `json:"symbol"`
	Price  float64 `json:"price"`
	Change float64 `json:"change"` // since the last one
}

func main() { demo.App{Page: page, Work: trade}.Main() }

// trade publishes the price of each share twice a second, all of them with one request.
func trade(ctx context.Context, c *demo.Client) error {
	shares := []price{{Symbol: "ACME", Price: 41.5}, {Symbol: "BELL", Price: 128}, {Symbol: "TOLL", Price: 7.25}}
	for every := time.NewTicker(500 * time.Millisecond); ; {
		var events []demo.Event
		for i := range shares {
			s := &shares[i]
			before := s.Price
			s.Price = math.Round(before*(1+rand.NormFloat64()/200)*100) / 100
			s.Change = math.Round((s.Price-before)*100) / 100
			events = append(events, demo.Event{Topic: "stock/" + s.Symbol, Type: "price", Data: *s})
		}
		if err := c.PublishBatch(ctx, events); err != nil {
			return err
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			every.Stop()
			return nil
		}
	}
}
