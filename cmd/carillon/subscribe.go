package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"carillon/internal/client"
	"carillon/internal/domain/event"
	"carillon/internal/transport/jsonevent"
)

func subscribeCommand() *cobra.Command {
	var server remote
	var request client.SubscribeRequest
	var asJSON bool
	var count int
	cmd := &cobra.Command{
		Use:   "subscribe [TOPIC]...",
		Short: "Print events as they arrive",
		Long: `Prints the events of topics and patterns until it is stopped. In a pattern, * matches one segment of a
topic, and ** at the end matches the rest. Without a topic it prints the clock. When the connection is lost, it
reconnects and resumes after the last event. Reconnections are reported on standard error. So are the control
events carillon.reset (events may be missing) and carillon.goaway (the server ends the stream); with --json
they are printed as events, which --count does not count.

The events are the same over every transport: Server-Sent Events (sse), lines of JSON (ndjson), long polling (poll), which
passes proxies that buffer streams, and WebSocket (ws).`,
		Example: `  carillon subscribe
  carillon subscribe 'orders/*' news --last 10
  carillon subscribe 'stock/**' --latest
  carillon subscribe 'orders/**' --json | jq -r .data
  carillon subscribe news --transport poll`,
		RunE: func(cmd *cobra.Command, args []string) error {
			for name, n := range map[string]int{"count": count, "last": request.Last} {
				if n < 0 {
					return usageError{fmt.Errorf("--%s: must be at least 0 (got %d)", name, n)}
				}
			}
			if !slices.Contains(client.Transports, request.Transport) {
				return usageError{fmt.Errorf("--transport: must be sse, ndjson, poll or ws (got %q)", request.Transport)}
			}
			if request.Latest && (request.Last > 0 || request.Since != "") {
				return usageError{errors.New("--latest cannot be combined with --last or --since")}
			}
			request.Topics, request.JSON = args, asJSON
			c, err := server.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			ctx, done := context.WithCancel(ctx)
			defer done()
			p := printer{out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr(), json: asJSON, left: count, done: done}
			request.Waiting = p.waiting
			return withAdvice(c.Subscribe(ctx, request, p.print))
		},
	}
	server.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each event as a line of JSON with id, topics, type, time and data")
	cmd.Flags().StringVar((*string)(&request.Transport), "transport", string(client.SSE), "`HOW` events arrive: sse, ndjson, poll or ws")
	cmd.Flags().IntVar(&count, "count", 0, "stop after `N` events (0: no limit)")
	cmd.Flags().BoolVar(&request.Latest, "latest", false, "start with the newest event of each topic")
	cmd.Flags().IntVar(&request.Last, "last", 0, "start with the newest `N` events of the history")
	cmd.Flags().StringVar(&request.Since, "since", "", "start with the events since a `TIME` (RFC 3339) or within a duration (5m)")
	cmd.Flags().StringVar(&request.LastEventID, "last-event-id", "", "start after the event with this `ID`")
	return cmd
}

// printer prints events, and reports on notes what happens to their stream.
type printer struct {
	out, notes io.Writer
	json       bool
	left       int // events to print before done is called; 0: no limit
	done       func()
}

func (p *printer) print(m client.Event) error {
	if err := p.write(m); err != nil {
		return err
	}
	if strings.HasPrefix(m.Type, event.ReservedPrefix) {
		return nil
	}
	if p.left--; p.left == 0 {
		p.done()
	}
	return nil
}

func (p *printer) write(m client.Event) error {
	control := strings.HasPrefix(m.Type, event.ReservedPrefix)
	switch {
	case p.json:
		return p.writeJSON(m)
	case control:
		_, err := fmt.Fprintf(p.notes, "carillon: %s %s\n", strings.TrimPrefix(m.Type, event.ReservedPrefix), visible(m.Data))
		return err
	}
	_, err := fmt.Fprintf(p.out, "%s\t%s\t%s\n", m.ID, visible(m.Type), strings.ReplaceAll(visible(m.Data), "\n", "\n\t"))
	return err
}

// writeJSON writes an event in the JSON form of the server.
func (p *printer) writeJSON(m client.Event) error {
	line := struct {
		ID     string   `json:"id,omitempty"`
		Topics []string `json:"topics"`
		Type   string   `json:"type"`
		Time   string   `json:"time,omitempty"`
		Data   string   `json:"data"`
		Retry  int64    `json:"retry,omitempty"`
	}{ID: m.ID, Topics: m.Topics, Type: m.Type, Data: m.Data, Retry: m.Retry.Milliseconds()}
	if line.Topics == nil {
		line.Topics = []string{}
	}
	if !m.Time.IsZero() {
		line.Time = m.Time.UTC().Format(jsonevent.TimeFormat)
	}
	encoder := json.NewEncoder(p.out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(line)
}

func (p *printer) waiting(why error, wait time.Duration) {
	_, _ = fmt.Fprintf(p.notes, "carillon: %v; retrying in %s\n", why, wait.Round(100*time.Millisecond))
}

// visible replaces characters that control a terminal instead of being shown.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || event.Printable(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
