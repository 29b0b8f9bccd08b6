// Command carillon-cluster runs a cluster on this machine, for trying it out: NATS servers, two nodes of Carillon on their
// JetStream, and HAProxy in front of the nodes if it is installed. It must be run in a checkout of Carillon, whose programs
// it builds. Ctrl-C ends all of it.
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
	"syscall"

	"carillon/internal/localcluster"
)

func main() {
	var o options
	flag.IntVar(&o.servers, "nats", 3, "number of NATS servers: 1, 3 or 5")
	flag.BoolVar(&o.sync, "sync", false, "acknowledge events once they are on disk (sync_interval: always)")
	flag.StringVar(&o.dir, "dir", "", "directory for data and output, kept at the end (default: a temporary one, removed at the end)")
	flag.IntVar(&o.port, "port", 8080, "port of the proxy; the nodes have the next two ports, and NATS 4222 and those after it")
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
}

// run starts everything, waits for a signal or for a program that ends, and stops everything.
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
	return c.wait(ctx)
}

// cluster is what was started.
type cluster struct {
	options

	out   io.Writer // takes what the user is told
	nats  *localcluster.NATS
	nodes []*localcluster.Process
	addrs [2]string
	proxy *localcluster.Process // nil without HAProxy
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
	for i := range c.addrs {
		c.addrs[i] = fmt.Sprintf("127.0.0.1:%d", c.port+1+i)
		node, err := localcluster.Node(ctx, program, fmt.Sprintf("node%d", i+1), c.dir, c.addrs[i],
			append(localcluster.NATSSettings(c.nats.URLs()), "NODE_NAME="+fmt.Sprintf("node%d", i+1), "ADMIN_ADDR=127.0.0.1:0",
				"AUTH_PUBLISH_TOKEN="+token, "HTTP_TRUSTED_PROXIES=127.0.0.1")...)
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, node)
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
	c.proxy, err = localcluster.HAProxy(ctx, haproxy, root, c.dir, fmt.Sprintf("127.0.0.1:%d", c.port), c.addrs)
	return err
}

// token is the publish token of the nodes, which only this machine reaches.
const token = "sesame"

// summarize prints what runs where, and what to try.
func (c *cluster) summarize() {
	first := c.addrs[0]
	c.say("\n")
	if c.proxy != nil {
		first = fmt.Sprintf("127.0.0.1:%d", c.port)
		c.say("  proxy   http://%s\n", first)
	}
	for i, addr := range c.addrs {
		c.say("  node %d  http://%s   %s\n", i+1, addr, c.nodes[i].Output)
	}
	for i, url := range c.nats.URLs() {
		c.say("  NATS %d  %s\n", i+1, url)
	}
	c.say(`
Open http://%s in a browser, or:

  curl -N 'http://%s/events?topic=greetings'                                        # a stream from one node
  curl -H 'Authorization: Bearer %s' -d hello 'http://%s/events?topic=greetings'   # an event through the other

Ctrl-C ends all of it.
`, first, c.addrs[0], token, c.addrs[1])
}

// say tells the user something. A terminal that has gone is no reason to stop.
func (c *cluster) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.out, format, args...)
}

// wait returns nil at a signal, or an error when a program ends.
func (c *cluster) wait(ctx context.Context) error {
	ended := make(chan *localcluster.Process)
	watched := append([]*localcluster.Process{}, c.nodes...)
	if c.proxy != nil {
		watched = append(watched, c.proxy)
	}
	for i := range c.servers {
		watched = append(watched, c.nats.Server(i))
	}
	for _, p := range watched {
		go func() {
			select {
			case <-p.Ended():
				select {
				case ended <- p:
				case <-ctx.Done():
				}
			case <-ctx.Done():
			}
		}()
	}
	select {
	case <-ctx.Done():
		c.say("\nStopping …\n")
		return nil
	case p := <-ended:
		return errors.New(p.Name + " ended; its output is in " + p.Output)
	}
}

// stop stops what was started, in the reverse order.
func (c *cluster) stop() {
	if c.proxy != nil {
		c.proxy.Stop()
	}
	for _, node := range c.nodes {
		node.Stop()
	}
	if c.nats != nil {
		c.nats.StopAll()
	}
}
