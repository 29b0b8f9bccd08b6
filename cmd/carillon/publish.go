package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"carillon/internal/client"
)

func publishCommand() *cobra.Command {
	var server remote
	var request client.PublishRequest
	var also []string
	cmd := &cobra.Command{
		Use:   "publish TOPIC [DATA|-]",
		Short: "Publish an event",
		Long: `Publishes one event and prints its id. The data is the second argument; without it, or with -,
it is read from standard input.`,
		Example: `  carillon publish greetings 'hello, world'
  date | carillon publish times
  carillon publish orders/42 '{"status":"paid"}' --type order --topic customers/7`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.RangeArgs(1, 2)(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Topics = append(args[:1:1], also...)
			if len(args) == 2 && args[1] != "-" {
				request.Data = args[1]
			} else {
				input, err := io.ReadAll(cmd.InOrStdin())
				if err != nil {
					return fmt.Errorf("reading standard input: %w", err)
				}
				request.Data = string(input)
			}
			c, err := server.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := c.Publish(cmd.Context(), request)
			if err != nil {
				return explainRefusal(err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), id)
			return err
		},
	}
	server.flags(cmd)
	cmd.Flags().StringArrayVar(&also, "topic", nil, "a further `TOPIC` of the same event; repeatable")
	cmd.Flags().StringVar(&request.Type, "type", "", "event `TYPE` (default message)")
	cmd.Flags().DurationVar(&request.Retry, "retry", 0*time.Second, "reconnection `TIME` its readers are to use from now on")
	cmd.Flags().StringVar(&request.Key, "key", "", "idempotency `KEY`: publishing it again publishes nothing")
	return cmd
}

// explainRefusal says what to do about the refusals that newcomers meet first.
func explainRefusal(err error) error {
	if p, ok := errors.AsType[*client.ProblemError](err); ok && p.Code == "unauthorized" {
		return fmt.Errorf("%w; give one with CARILLON_TOKEN (a server without any key logs one at its start)", err)
	}
	return err
}
