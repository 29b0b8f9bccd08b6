// Command carillon-cluster runs a cluster on this machine, for trying it out: NATS servers, two nodes of Carillon on their
// JetStream, and HAProxy in front of the nodes if it is installed. It must be run in a checkout of Carillon, whose programs
// it builds. A program that ends, or that the user kills to see what happens, is started again after a while. Ctrl-C ends
// all of it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.Usage = func() {
		_, _ = fmt.Fprintln(flag.CommandLine.Output(), "Runs a cluster on this machine: make run-cluster ARGS=\"-port 9000\"")
		flag.PrintDefaults()
	}
	flag.IntVar(&o.servers, "nats", 3, "number of NATS servers: 1, 3 or 5")
	flag.BoolVar(&o.sync, "sync", false, "acknowledge events once they are on disk (sync_interval: always)")
	flag.StringVar(&o.dir, "dir", "", "directory for data and output, kept at the end (default: a temporary one, removed at the end unless something failed)")
	flag.IntVar(&o.port, "port", 8080, "port of the proxy; the nodes have the next two ports, their admin listeners the two after these, and NATS 4222 and those after it")
	flag.DurationVar(&o.restart, "restart", 20*time.Second, "time after which a program that ended is started again")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "carillon-cluster:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be done
	}
}

type options struct {
	servers, port int
	sync          bool
	dir           string
	restart       time.Duration
}

// run starts everything, keeps it running until a signal, and stops everything.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	if o.servers != 1 && o.servers != 3 && o.servers != 5 {
		return fmt.Errorf("-nats: must be 1, 3 or 5 (got %d)", o.servers)
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "carillon-cluster"); err != nil {
			return err
		}
		defer func() {
			if err == nil { // an error names a file in it
				_ = os.RemoveAll(o.dir) // the system cleans up what remains
			}
		}()
	} else if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	c := &cluster{options: o, out: out}
	defer c.stop()
	if err := c.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C during the start
		}
		return err
	}
	c.summarize()
	return c.keep(ctx)
}
