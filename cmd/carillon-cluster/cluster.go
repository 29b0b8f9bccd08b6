package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"sync"

	"carillon/internal/localcluster"
)

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
