package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"carillon/internal/client"
)

func publishCommand() *cobra.Command {
	var server remote
	var request client.PublishRequest
	var also []string
	var many lines
	cmd := &cobra.Command{
		Use:   "publish TOPIC [DATA|-]",
		Short: "Publish an event, or one for each line of standard input",
		Long: `Publishes one event and prints its id. The data is the second argument. If that is missing or -, the data is
read from standard input. One newline at the end of standard input is dropped, because most programs print one.

With --lines, each line of standard input is the data of an event. With --ndjson, each line is an event as a JSON object
with topic, data, type, retry and key; then there is no TOPIC. Many events are published over one connection (WebSocket)
without waiting for each, in order. The id of the last one is printed, or with --ids the id of each. At the first line
that is refused it stops, and says which; some lines after it may have been published. On a terminal it shows its progress.

The request has a traceparent (W3C Trace Context): that of the variable TRACEPARENT, or else a new one. The server's log
records of the request have its trace_id, which is also shown when the server fails.`,
		Example: `  carillon publish greetings 'hello, world'
  date | carillon publish times
  carillon publish orders/42 '{"status":"paid"}' --type order --topic customers/7
  tail -f access.log | carillon publish logs/web --lines
  jq -c '.[] | {topic: "stock/\(.symbol)", data: ., key: .id}' prices.json | carillon publish --ndjson`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := many.checkArguments(args); err != nil {
				return usageError{err}
			}
			return many.check(cmd)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			trace, err := traceParent()
			if err != nil {
				return err
			}
			request.TraceParent = trace.header
			if len(args) > 0 {
				request.Topics = append(args[:1:1], also...)
			}
			c, err := server.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			if many.lines || many.ndjson {
				return trace.named(withAdvice(many.publish(cmd, c, request)))
			}
			if len(args) == 2 && args[1] != "-" {
				request.Data = args[1]
			} else {
				input, err := io.ReadAll(cmd.InOrStdin())
				if err != nil {
					return fmt.Errorf("reading standard input: %w", err)
				}
				request.Data = withoutNewline(string(input))
			}
			id, err := c.Publish(cmd.Context(), request)
			if err != nil {
				return trace.named(withAdvice(err))
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), id)
			return err
		},
	}
	server.flags(cmd)
	many.flags(cmd)
	cmd.Flags().StringArrayVar(&also, "topic", nil, "another `TOPIC` of the event; may be repeated")
	cmd.Flags().StringVar(&request.Type, "type", "", "event `TYPE` (default message)")
	cmd.Flags().DurationVar(&request.Retry, "retry", 0*time.Second, "reconnection `TIME` for the subscribers that receive the event")
	cmd.Flags().StringVar(&request.Key, "key", "", "idempotency `KEY`: the same event with it is published once, another event with it is refused")
	return cmd
}

// withoutNewline drops one newline from the end of the text.
func withoutNewline(text string) string {
	if rest, found := strings.CutSuffix(text, "\n"); found {
		return strings.TrimSuffix(rest, "\r")
	}
	return text
}

// withAdvice adds to an error of a server that wants a token how to provide one.
func withAdvice(err error) error {
	if p, ok := errors.AsType[*client.ProblemError](err); ok && p.Code == "unauthorized" {
		return fmt.Errorf("%w; set CARILLON_TOKEN (a server without any key logs a token at its start)", err)
	}
	return err
}
