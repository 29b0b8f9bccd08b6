// Command carillon-cluster runs a cluster on this machine, for trying it out: NATS servers, two nodes of Carillon on their
// JetStream, and HAProxy in front of the nodes if it is installed. It must be run in a checkout of Carillon, whose programs
// it builds. A program that ends, or that the user kills to see what happens, is started again after a while. Ctrl-C ends
// all of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"carillon/internal/localcluster"
)

func main() {
	var o options
	flag.Usage = func() {
		_, _ = fmt.Fprintln(flag.CommandLine.Output(), "Runs a cluster on this machine: make run-cluster ARGS=\"-port 9000\"")
		flag.PrintDefaults()
	}
	flag.IntVar(&o.servers, "nats", 3, "number of NATS servers: 1, 3 or 5")
	flag.BoolVar(&o.sync, "sync", false, "acknowledge events once they are on disk (sync_interval: always)")
	flag.StringVar(&o.dir, "dir", "", "directory for data and output, kept at the end (default: a temporary one, removed at the end)")
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
func run(ctx context.Context, o options, out io.Writer) error {
	if o.servers != 1 && o.servers != 3 && o.servers != 5 {
		return fmt.Errorf("-nats: must be 1, 3 or 5 (got %d)", o.servers)
	}
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "carillon-cluster")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // the system cleans up what remains
		o.dir = dir
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

// cluster is what was started.
type cluster struct {
	options

	mu    sync.Mutex // guards out
	out   io.Writer  // takes what the user is told
	nats  *localcluster.NATS
	nodes [2]*localcluster.Process
	addrs [2]string             // of the nodes
	admin [2]string             // of their admin listeners
	proxy *localcluster.Process // nil without HAProxy

	startNode  func(ctx context.Context, i int) error
	startProxy func(context.Context) error
}

func (c *cluster) start(ctx context.Context) error {
	root, err := localcluster.Root(ctx)
	if err != nil {
		return err
	}
	bin := filepath.Join(root, "bin")
	c.say("Building nats-server and carillon (the first time takes a minute) …\n")
	natsServer, err := localcluster.BuildNATS(ctx, root, bin)
	if err != nil {
		return err
	}
	program, err := localcluster.BuildCarillon(ctx, root, bin)
	if err != nil {
		return err
	}
	c.say("Starting %d NATS servers …\n", c.servers)
	c.nats, err = localcluster.NewNATS(localcluster.NATSOptions{Program: natsServer, Dir: c.dir, Servers: c.servers, Sync: c.sync, First: 4222})
	if err != nil {
		return err
	}
	if err := c.nats.StartAll(ctx); err != nil {
		return err
	}
	c.say("Starting two nodes …\n")
	c.startNode = func(ctx context.Context, i int) (err error) {
		name := fmt.Sprintf("node%d", i+1)
		c.nodes[i], err = localcluster.Node(ctx, program, name, c.dir, c.addrs[i],
			append(localcluster.NATSSettings(c.nats.URLs()), "NODE_NAME="+name, "ADMIN_ADDR="+c.admin[i],
				"AUTH_PUBLISH_TOKEN="+token, "HTTP_TRUSTED_PROXIES=127.0.0.1")...)
		return err
	}
	for i := range c.nodes {
		c.addrs[i], c.admin[i] = fmt.Sprintf("127.0.0.1:%d", c.port+1+i), fmt.Sprintf("127.0.0.1:%d", c.port+3+i)
		if err := c.startNode(ctx, i); err != nil {
			return err
		}
	}
	haproxy, err := exec.LookPath("haproxy")
	if errors.Is(err, exec.ErrNotFound) {
		c.say("HAProxy is not installed: the nodes are reached directly.\n")
		return nil
	}
	if err != nil {
		return err
	}
	c.say("Starting HAProxy …\n")
	c.startProxy = func(ctx context.Context) (err error) {
		c.proxy, err = localcluster.HAProxy(ctx, haproxy, root, c.dir, fmt.Sprintf("127.0.0.1:%d", c.port), c.addrs)
		return err
	}
	return c.startProxy(ctx)
}

// token is the publish token of the nodes, which only this machine reaches.
const token = "sesame"

// summarize prints what runs where, and what to try.
func (c *cluster) summarize() {
	first := c.addrs[0]
	c.say("\n")
	if c.proxy != nil {
		first = fmt.Sprintf("127.0.0.1:%d", c.port)
		c.say("  proxy   http://%s   process %d\n", first, c.proxy.ID())
	}
	for i, addr := range c.addrs {
		c.say("  node%d   http://%s   process %d   metrics http://%s/metrics   log records %s\n", i+1, addr, c.nodes[i].ID(), c.admin[i], c.nodes[i].Output)
	}
	for i, url := range c.nats.URLs() {
		c.say("  nats%d   %s   process %d\n", i+1, url, c.nats.Server(i).ID())
	}
	c.say(`
Open http://%s in a browser, or:

  curl -N 'http://%s/events?topic=greetings'                                        # a stream from one node
  curl -H 'Authorization: Bearer %s' -d hello 'http://%s/events?topic=greetings'   # an event through the other

A process that you end with kill, or kill -9, is started again after %s. Ctrl-C ends all of it.
`, first, c.addrs[0], token, c.addrs[1], c.restart)
}

// say tells the user something. A terminal that has gone is no reason to stop.
func (c *cluster) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprintf(c.out, format, args...)
}

// keep starts programs again that end. It returns nil at a signal, or an error when one cannot be started again.
func (c *cluster) keep(signalled context.Context) error {
	ctx, fail := context.WithCancelCause(signalled)
	defer fail(nil)
	var keeping sync.WaitGroup
	keep := func(process func() *localcluster.Process, start func(context.Context) error) {
		keeping.Go(func() {
			if err := c.keepOne(ctx, process, start); err != nil {
				fail(err)
			}
		})
	}
	for i := range c.nodes {
		keep(func() *localcluster.Process { return c.nodes[i] }, func(ctx context.Context) error { return c.startNode(ctx, i) })
	}
	for i := range c.servers {
		keep(func() *localcluster.Process { return c.nats.Server(i) }, func(ctx context.Context) error { return c.nats.Start(ctx, i) })
	}
	if c.proxy != nil {
		keep(func() *localcluster.Process { return c.proxy }, c.startProxy)
	}
	keeping.Wait()
	c.say("\nStopping …\n")
	if signalled.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// keepOne starts one program again whenever it ends, until the context does.
func (c *cluster) keepOne(ctx context.Context, process func() *localcluster.Process, start func(context.Context) error) error {
	for {
		p := process()
		select {
		case <-p.Ended():
		case <-ctx.Done():
			return nil
		}
		c.say("%s ended; its output is in %s. It starts again in %s.\n", p.Name, p.Output, c.restart)
		select {
		case <-time.After(c.restart):
		case <-ctx.Done():
			return nil
		}
		err := start(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the start was cancelled
		}
		if err != nil {
			return err
		}
		c.say("%s runs again: process %d.\n", p.Name, process().ID())
	}
}

// stop stops what was started, in the reverse order.
func (c *cluster) stop() {
	if c.proxy != nil {
		c.proxy.Stop()
	}
	for _, node := range c.nodes {
		if node != nil {
			node.Stop()
		}
	}
	if c.nats != nil {
		c.nats.StopAll()
	}
}
