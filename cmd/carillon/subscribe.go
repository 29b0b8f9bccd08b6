package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"carillon/internal/client"
	"carillon/internal/domain/event"
	"carillon/internal/transport/sse"
)

func subscribeCommand() *cobra.Command {
	var server remote
	var request client.SubscribeRequest
	var asJSON bool
	var count int
	cmd := &cobra.Command{
		Use:   "subscribe [TOPIC]...",
		Short: "Print events as they come",
		Long: `Prints the events of topics and patterns until it is stopped: * stands for one segment of a topic,
** at the end for all the rest. Without a topic it prints the clock. After a cut it resumes by itself where
it was; what cannot be resumed is said on standard error, as is every reconnection.`,
		Example: `  carillon subscribe
  carillon subscribe 'orders/*' news --last 10
  carillon subscribe 'orders/**' --json | jq -r .data`,
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Topics = args
			c, err := server.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			ctx, enough := context.WithCancel(ctx)
			defer enough()
			p := printer{out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr(), json: asJSON, left: count, enough: enough}
			request.Waiting = p.waiting
			return explainRefusal(c.Subscribe(ctx, request, p.print))
		},
	}
	server.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each event as a line of JSON: id, type, data")
	cmd.Flags().IntVar(&count, "count", 0, "stop after so `MANY` events; 0 goes on")
	cmd.Flags().IntVar(&request.Last, "last", 0, "begin with the newest so `MANY` events that are kept")
	cmd.Flags().StringVar(&request.Since, "since", "", "begin with the events since a `TIME` (RFC 3339) or of a duration (5m)")
	cmd.Flags().StringVar(&request.LastEventID, "last-event-id", "", "begin after the event with this `ID`")
	return cmd
}

// printer prints events, and notes what happens to their stream.
type printer struct {
	out, notes io.Writer
	json       bool
	left       int // events to print before enough is called; 0 is no bound
	enough     func()
}

func (p *printer) print(m sse.Message) error {
	if err := p.write(m); err != nil {
		return err
	}
	if strings.HasPrefix(m.Type, event.ReservedPrefix) {
		return nil
	}
	if p.left--; p.left == 0 {
		p.enough()
	}
	return nil
}

func (p *printer) write(m sse.Message) error {
	control := strings.HasPrefix(m.Type, event.ReservedPrefix)
	switch {
	case p.json:
		return json.NewEncoder(p.out).Encode(struct {
			ID   string `json:"id"`
			Type string `json:"type"`
			Data string `json:"data"`
		}{m.ID, m.Type, m.Data})
	case control:
		_, err := fmt.Fprintf(p.notes, "carillon: %s %s\n", strings.TrimPrefix(m.Type, event.ReservedPrefix), visible(m.Data))
		return err
	}
	_, err := fmt.Fprintf(p.out, "%s\t%s\t%s\n", m.ID, visible(m.Type), strings.ReplaceAll(visible(m.Data), "\n", "\n\t"))
	return err
}

func (p *printer) waiting(why error, wait time.Duration) {
	_, _ = fmt.Fprintf(p.notes, "carillon: %v; trying again in %s\n", why, wait.Round(100*time.Millisecond))
}

// visible replaces what could command a terminal instead of being shown on it.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || event.Printable(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
