package localcluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// NATS is one server or a cluster of servers with JetStream.
type NATS struct {
	program string
	dir     string
	files   []string // configuration, one for each server
	clients []string // addresses for clients
	monitor []string // addresses for HTTP

	mu      sync.Mutex
	servers []*Process // nil for one that was not started
}

// NATSOptions configures the servers.
type NATSOptions struct {
	Program string // path of the executable nats-server
	Dir     string // what they store, and their output
	Servers int
	Sync    bool // an acknowledgement means that the event is on disk
	First   int  // port of the first server, the next ones have the next ports; 0 means any free ports
}

// NewNATS configures servers and starts none of them.
func NewNATS(o NATSOptions) (*NATS, error) {
	n := &NATS{program: o.Program, dir: o.Dir, servers: make([]*Process, o.Servers)}
	addrs, err := FreeAddrs(3 * o.Servers)
	if err != nil {
		return nil, err
	}
	n.clients, n.monitor = addrs[:o.Servers], addrs[o.Servers:2*o.Servers]
	routes := addrs[2*o.Servers:]
	if o.First > 0 {
		for i := range n.clients {
			n.clients[i] = fmt.Sprintf("127.0.0.1:%d", o.First+i)
		}
	}
	for i := range o.Servers {
		file := filepath.Join(o.Dir, fmt.Sprintf("nats%d.conf", i+1))
		if err := os.WriteFile(file, []byte(n.config(i, routes, o.Sync)), 0o600); err != nil {
			return nil, err
		}
		n.files = append(n.files, file)
	}
	return n, nil
}

// config returns the configuration of a server.
func (n *NATS) config(i int, routes []string, sync bool) string {
	interval := "2m"
	if sync {
		interval = "always"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "server_name: nats%d\nlisten: %q\nhttp: %q\nmax_payload: 8MB\n", i+1, n.clients[i], n.monitor[i])
	fmt.Fprintf(&b, "jetstream { store_dir: %q, sync_interval: %s }\n", filepath.Join(n.dir, fmt.Sprintf("nats%d", i+1)), interval)
	if len(routes) > 1 {
		fmt.Fprintf(&b, "cluster { name: local, listen: %q, routes: [", routes[i])
		for _, route := range routes {
			fmt.Fprintf(&b, "%q, ", "nats://"+route)
		}
		b.WriteString("] }\n")
	}
	return b.String()
}

// URLs returns the addresses for clients.
func (n *NATS) URLs() []string {
	var urls []string
	for _, addr := range n.clients {
		urls = append(urls, "nats://"+addr)
	}
	return urls
}

// StartAll starts the servers that do not run, and waits until all are ready.
func (n *NATS) StartAll(ctx context.Context) error {
	errs := make([]error, len(n.clients))
	var starting sync.WaitGroup
	for i := range n.clients { // at the same time: none is ready before it knows a majority
		starting.Go(func() { errs[i] = n.Start(ctx, i) })
	}
	starting.Wait()
	for _, err := range errs {
		if err != nil {
			n.StopAll()
			return err
		}
	}
	return nil
}

// Start starts a server, if it does not run, and waits until it is ready.
func (n *NATS) Start(ctx context.Context, i int) error {
	if p := n.Server(i); p != nil {
		select {
		case <-p.Ended():
		default:
			return nil
		}
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), n.program, "-c", n.files[i]) //nolint:gosec // the caller names the program
	p, err := start(ctx, fmt.Sprintf("nats%d", i+1), n.dir, cmd, responds("http://"+n.monitor[i]+"/healthz"))
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.servers[i] = p
	return nil
}

// Server returns the process of a server, nil if it was never started.
func (n *NATS) Server(i int) *Process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.servers[i]
}

// Index returns which server has a name, or -1.
func (n *NATS) Index(name string) int {
	for i := range n.clients {
		if name == fmt.Sprintf("nats%d", i+1) {
			return i
		}
	}
	return -1
}

// StopAll stops the servers that run.
func (n *NATS) StopAll() {
	var stopping sync.WaitGroup
	for i := range n.clients {
		if p := n.Server(i); p != nil {
			stopping.Go(p.Stop)
		}
	}
	stopping.Wait()
}
