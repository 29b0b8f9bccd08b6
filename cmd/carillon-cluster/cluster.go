package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"

	"carillon/internal/localcluster"
)

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
	watching, done := context.WithCancelCause(ctx)
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer done(nil) // before waiting
	for _, p := range c.processes() {
		watchers.Go(func() {
			select {
			case <-p.Ended():
				done(errors.New(p.Name + " ended; its output is in " + p.Output))
			case <-watching.Done():
			}
		})
	}
	<-watching.Done()
	if ctx.Err() != nil {
		c.say("\nStopping …\n")
		return nil
	}
	return context.Cause(watching)
}

// processes returns everything that runs.
func (c *cluster) processes() []*localcluster.Process {
	all := slices.Clone(c.nodes)
	if c.proxy != nil {
		all = append(all, c.proxy)
	}
	for i := range c.servers {
		all = append(all, c.nats.Server(i))
	}
	return all
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
