// Package natstest runs NATS servers with JetStream inside a test: one, or a cluster of three.
package natstest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// startTime bounds how long a server may take to start, and a cluster to elect its leaders.
const startTime = 30 * time.Second

// Servers are one server, or a cluster.
type Servers struct {
	t       testing.TB
	options []*server.Options

	mu      sync.Mutex
	running []*server.Server // nil where one is stopped
}

// Option changes the options of each server.
type Option func(*server.Options)

// MaxPayload is what tests of large events set: the default of NATS is 1 MiB, headers included.
const MaxPayload = 2 << 20

// Start starts one server, until the end of the test.
func Start(t testing.TB, change ...Option) *Servers { return start(t, 1, change) }

// StartCluster starts a cluster of three servers, until the end of the test.
func StartCluster(t testing.TB, change ...Option) *Servers { return start(t, 3, change) }

func start(t testing.TB, n int, change []Option) *Servers {
	t.Helper()
	s := &Servers{t: t, running: make([]*server.Server, n)}
	ports := freePorts(t, 2*n)
	var routes []string
	for i := range n {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[n+i]))
	}
	for i := range n {
		o := &server.Options{
			ServerName: fmt.Sprintf("n%d", i+1), Host: "127.0.0.1", Port: ports[i], MaxPayload: MaxPayload,
			JetStream: true, StoreDir: memoryDir(t), JetStreamMaxMemory: 1 << 30, JetStreamMaxStore: 8 << 30,
			NoLog: true, NoSigs: true, MaxControlLine: 4096, DisableJetStreamBanner: true,
		}
		if n > 1 {
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[n+i]}
			o.Routes = server.RoutesFromStr(strings.Join(routes, ","))
		}
		for _, f := range change {
			f(o)
		}
		s.options = append(s.options, o)
	}
	t.Cleanup(func() {
		for i := range n {
			s.Stop(i)
		}
	})
	for i := range n {
		s.launch(i)
	}
	s.AwaitReady()
	return s
}

// URLs returns the addresses of all servers.
func (s *Servers) URLs() []string {
	var urls []string
	for _, o := range s.options {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", o.Port))
	}
	return urls
}

// Stop stops a server, if it runs.
func (s *Servers) Stop(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[i] != nil {
		s.running[i].Shutdown()
		s.running[i].WaitForShutdown()
		s.running[i] = nil
	}
}

// Restart starts a server that was stopped, with what it had stored, on the same address.
func (s *Servers) Restart(i int) {
	s.t.Helper()
	s.launch(i)
}

// StoreDir returns the directory in which a server stores its streams.
func (s *Servers) StoreDir(i int) string { return s.options[i].StoreDir }

// Leader returns the index of the server that leads a stream of the default account, or -1.
func (s *Servers) Leader(stream string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.running {
		if r != nil && r.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
			return i
		}
	}
	return -1
}

func (s *Servers) launch(i int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	o := *s.options[i]
	r, err := server.NewServer(&o)
	require.NoError(s.t, err)
	go r.Start()
	require.True(s.t, r.ReadyForConnections(startTime), "the server did not start")
	s.running[i] = r
}

// AwaitReady waits until a cluster has a leader that knows all of its running servers, and can place streams on them.
func (s *Servers) AwaitReady() {
	s.t.Helper()
	if len(s.options) == 1 {
		return
	}
	require.Eventually(s.t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		running, known := 0, 0
		for _, r := range s.running {
			if r == nil {
				continue
			}
			if !r.JetStreamIsCurrent() {
				return false
			}
			running++
			known = max(known, len(r.JetStreamClusterPeers())) // none but for the leader
		}
		return running > 0 && known == running
	}, startTime, 20*time.Millisecond, "the cluster has no leader")
}

// memoryDir returns a directory in memory where there is one: a test needs no disk, and a cluster on a busy one is slow.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "natstest") //nolint:usetesting // in memory
	if errors.Is(err, os.ErrNotExist) {
		return t.TempDir()
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // a server that is still stopping may write into it
	return dir
}

// freePorts returns ports that nobody listens on.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		address, ok := l.Addr().(*net.TCPAddr)
		require.True(t, ok)
		ports = append(ports, address.Port)
	}
	return ports
}
